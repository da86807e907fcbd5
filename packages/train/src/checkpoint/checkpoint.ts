import {
  copyInto,
  fromBytes,
  type Generator,
  type GeneratorState,
  noGrad,
  OptionError,
  openSafetensors,
  type SafetensorsFile,
  type SafetensorsTensor,
  type Tensor,
  writeSafetensors,
  yieldIfDue,
} from "@lowrank/core";
import { checkFinite, checkOptions } from "@lowrank/core/internal";
import type { ModelFiles } from "@lowrank/files";
import { writeFolderOf } from "@lowrank/files/internal";
import type { Optimizer, OptimizerState } from "@lowrank/nn";
import type { OnWarning } from "@lowrank/peft";
import { printWarning } from "@lowrank/peft/internal";
import type { TrainableModule } from "../data/batches/modelBatch.ts";
import type { SamplerState } from "../data/batchSampler.ts";
import type { Checkpointing, RateSetting } from "../options/trainerOptions.ts";
import type { BestModel, BestState } from "./bestModel.ts";
import { inCheckpoint, readCheckpointState } from "./checkpointState.ts";
import { differencesOf, type Fingerprint } from "./fingerprint.ts";
import { describeDifference, ResumeError } from "./resumeError.ts";
import { type FileList, listFiles, openCheckpoint, stateFile } from "./wholeCheckpoint.ts";

/** Progress of a run: the number of completed steps (`step`), and the sampler's position in the data. */
export interface RunState {
  step: number;
  sampler: SamplerState;
}

/** The objects whose state changes during training and is stored in checkpoints. */
export interface Trained {
  parameters: ReadonlyMap<string, Tensor>;
  /** The best evaluation so far, and its weights. Null unless an option needs the best evaluation. */
  best: BestModel | null;
  /** Tensors that forward passes change, such as running means of batch normalisation. */
  buffers: ReadonlyMap<string, Tensor>;
  optimizer: Optimizer<RateSetting>;
  generators: readonly Generator[];
  sampler: { state: SamplerState };
  model: Pick<TrainableModule, "allocationState" | "setAllocationState" | "adapterFiles">;
}

interface TrainerState extends RunState {
  generators: GeneratorState[];
  /**
   * The optimiser's state except the moments: the settings of its parameter groups, and the number of steps that each
   * parameter (by index) has taken.
   */
  optimizer: { groups: OptimizerState<RateSetting>["groups"]; steps: [parameter: number, step: number][] };
  /** The record of evaluations. Present only if an option needs the best evaluation. */
  best?: BestState;
  /** Describes the run, to detect changes when it is resumed. Missing in checkpoints of older versions. */
  fingerprint?: Fingerprint;
  files: FileList;
}

const fileNames = {
  weights: "trainable.safetensors",
  optimizer: "optimizer.safetensors",
  /** The model's buffers. Written only if the model has any. */
  buffers: "buffers.safetensors",
  /** Weights of the best evaluation. Written only with `loadBestModelAtEnd`. */
  best: "best.safetensors",
  /** Moving averages of AdaLoRA's parameter importance. Written only if the method changes ranks in training. */
  allocation: "allocation.safetensors",
};

/** Encodes tensors as a safetensors file. Throws, with the tensor's name, if one contains NaN or infinity. */
async function pack(tensors: ReadonlyMap<string, Tensor>): Promise<Uint8Array> {
  const entries: SafetensorsTensor[] = [];
  for (const [name, t] of tensors) {
    const bytes = await t.bytes();
    checkFinite(name, bytes, t.dtype);
    entries.push({ name, dtype: t.dtype, shape: t.shape, bytes });
    await yieldIfDue();
  }
  return writeSafetensors(entries, { format: "pt" });
}

/** Throws unless `saveTotalLimit` is undefined or an integer of at least 1. */
export function checkLimit({ saveTotalLimit }: Checkpointing): void {
  if (saveTotalLimit === undefined || (Number.isSafeInteger(saveTotalLimit) && saveTotalLimit > 0)) return;
  throw new Error(`Trainer: checkpoints.saveTotalLimit is ${saveTotalLimit}; give a whole number of at least 1`);
}

/**
 * Writes the folder `checkpoint-<step>`. It contains the trained tensors, the optimiser's moments, and the states of
 * the sampler and the random generators. If the model has adapters, it also contains their files in PEFT's layout. On
 * disk, the folder is renamed to this name only when it is complete. Elsewhere, the file that lists all others is
 * written last.
 */
export async function writeCheckpoint(
  { folder, saveTotalLimit, companions }: Checkpointing,
  run: RunState,
  fingerprint: Fingerprint,
  { parameters, buffers, best, optimizer, generators, model }: Trained,
): Promise<void> {
  const { groups, state: moments } = optimizer.stateDict();
  const steps = [...moments].map(([i, { step }]): [number, number] => [i, step]);
  const momentTensors = [...moments].flatMap(([i, { tensors }]) =>
    Object.entries(tensors).map(([name, tensor]): [string, Tensor] => [`${i}.${name}`, tensor]),
  );
  const contents = new Map<string, Uint8Array | string>([
    [fileNames.weights, await pack(parameters)],
    [fileNames.optimizer, await pack(new Map(momentTensors))],
    ...((await model.adapterFiles?.()) ?? []),
    ...(companions?.() ?? []),
  ]);
  if (buffers.size > 0) contents.set(fileNames.buffers, await pack(buffers));
  if (best && best.weights.length > 0) contents.set(fileNames.best, writeSafetensors(best.weights, { format: "pt" }));
  const allocation = model.allocationState?.();
  if (allocation && allocation.size > 0) contents.set(fileNames.allocation, await pack(allocation));
  for (const tensor of allocation?.values() ?? []) tensor.dispose();
  const state: TrainerState = {
    ...run,
    generators: generators.map((g) => g.state),
    optimizer: { groups, steps },
    ...(best && { best: best.state }),
    fingerprint,
    files: await listFiles(contents),
  };
  contents.set(stateFile, `${JSON.stringify(state, null, "  ")}\n`);
  const name = `checkpoint-${run.step}`;
  await writeFolderOf(folder, name, contents);
  if (saveTotalLimit === undefined) return;
  const { pruneCheckpoints } = await import("./pruneCheckpoints.ts");
  await pruneCheckpoints(folder, saveTotalLimit, name);
}

/** Options of `Trainer.resume`. */
export interface ResumeOptions {
  /**
   * If true, resumes even if options, data, model or arithmetic differ from the run that wrote the checkpoint. A
   * warning with code `changed-run` is then given for each difference. Default: false.
   */
  allowChanges?: boolean;
}

/**
 * Reads a checkpoint, or the newest complete one in a folder, into the objects of this run, such as its parameters and
 * optimiser. Returns the number of completed steps and the sampler's position. Throws and changes nothing if the
 * checkpoint does not have exactly the tensors that this run trains. Throws `ResumeError` if options, data, model or
 * arithmetic differ from the run that wrote the checkpoint.
 */
export async function readCheckpoint(
  place: string | URL | ModelFiles,
  fingerprint: Fingerprint,
  { parameters, buffers, best, optimizer, generators, sampler: samples, model }: Trained,
  options: ResumeOptions,
  onWarning: OnWarning = printWarning,
): Promise<RunState> {
  checkOptions("Trainer.resume", options, { allowChanges: true });
  const { allowChanges = false } = options;
  const source = await openCheckpoint(place, onWarning);
  const open = async (name: string) => openSafetensors(await source.open(name), `${name} of ${source.label}`);
  const [weights, moments] = [await open(fileNames.weights), await open(fileNames.optimizer)];
  const state = (await readCheckpointState(source, stateFile)) as TrainerState;
  const where = `${stateFile} of ${source.label}`;
  const { generators: states, optimizer: saved, step, sampler } = state;
  const kept = buffers.size > 0 ? await open(fileNames.buffers) : null;
  checkNames(weights, parameters);
  if (kept) checkNames(kept, buffers);
  checkFingerprint(source.label, fingerprint, state.fingerprint, allowChanges, onWarning);
  if (states.length !== generators.length) {
    throw new Error(
      `${weights.label}: the checkpoint has ${states.length} random generators, this run ${generators.length}; resume with the same model and adapter`,
    );
  }
  inCheckpoint(where, () => {
    samples.state = sampler;
  });
  await readInto(weights, parameters);
  if (kept) await readInto(kept, buffers);
  if (best && state.best) {
    const known = (await source.has(fileNames.best)) ? await open(fileNames.best) : null;
    best.restore(state.best, known ? await Promise.all(known.names().map((name) => readWhole(known, name))) : []);
  }
  const settings = optimizer.groups.map(({ params, ...own }) => own);
  const memory = await readMoments(moments, saved.steps);
  inCheckpoint(moments.label, () => optimizer.loadStateDict({ groups: saved.groups, state: memory }));
  for (const [i, own] of settings.entries()) Object.assign(optimizer.groups[i], own);
  for (const [i, generator] of generators.entries()) generator.state = states[i];
  await model.setAllocationState?.(
    (await source.has(fileNames.allocation)) ? await readAll(await open(fileNames.allocation)) : new Map(),
  );
  return { step, sampler };
}

/**
 * Throws if this run's options, data, model or arithmetic differ from the run that wrote the checkpoint. With
 * `allowChanges`, warns instead.
 */
function checkFingerprint(
  label: string,
  now: Fingerprint,
  saved: Fingerprint | undefined,
  allowChanges: boolean,
  onWarning: OnWarning,
): void {
  const differences = saved ? differencesOf(now, saved) : [];
  if (!saved && !allowChanges) {
    const problem = `${label} lacks the settings of its run, since an older version wrote it`;
    throw new OptionError("", "allowChanges", allowChanges, (named) => {
      return `${problem}; resume with ${named("allowChanges")} if options and data are the same`;
    });
  }
  if (differences.length > 0 && !allowChanges) throw new ResumeError(label, differences);
  for (const difference of differences) {
    onWarning({ code: "changed-run", message: `${label}: ${describeDifference(difference)}` });
  }
}

/** Throws unless a file contains exactly the tensors in `tensors`, with the same names and shapes. */
function checkNames(file: SafetensorsFile, tensors: ReadonlyMap<string, Tensor>): void {
  for (const [name, { shape }] of tensors) {
    const saved = file.has(name) ? file.info(name).shape : undefined;
    if (saved?.join() !== shape.join()) {
      throw new Error(
        `${file.label}: "${name}" is [${saved ?? "missing"}], this run trains [${shape}]; resume with the same model and adapter`,
      );
    }
  }
  if (file.names().length !== tensors.size) {
    throw new Error(
      `${file.label}: the checkpoint has ${file.names().length} tensors, this run ${tensors.size}; resume with the same model and adapter`,
    );
  }
}

async function readInto(file: SafetensorsFile, tensors: ReadonlyMap<string, Tensor>): Promise<void> {
  for (const [name, tensor] of tensors) {
    const { bytes, shape, dtype } = await file.read(name);
    using value = fromBytes(bytes, shape, dtype, tensor.storage.backend);
    noGrad(() => copyInto(tensor, value));
  }
}

async function readWhole(file: SafetensorsFile, name: string): Promise<SafetensorsTensor> {
  const { bytes, shape, dtype } = await file.read(name);
  return { name, dtype, shape, bytes };
}

/** Reads all tensors of a file, by name. The caller frees them. */
async function readAll(file: SafetensorsFile): Promise<Map<string, Tensor>> {
  const tensors = new Map<string, Tensor>();
  for (const name of file.names()) {
    const { bytes, shape, dtype } = await file.read(name);
    tensors.set(name, fromBytes(bytes, shape, dtype));
  }
  return tensors;
}

async function readMoments(
  file: SafetensorsFile,
  steps: readonly [parameter: number, step: number][],
): Promise<OptimizerState<RateSetting>["state"]> {
  const state: OptimizerState<RateSetting>["state"] = new Map(steps.map(([i, step]) => [i, { step, tensors: {} }]));
  for (const key of file.names()) {
    const dot = key.indexOf(".");
    const { bytes, shape, dtype } = await file.read(key);
    const memory = state.get(Number(key.slice(0, dot)));
    if (memory) memory.tensors[key.slice(dot + 1)] = fromBytes(bytes, shape, dtype);
  }
  return state;
}
