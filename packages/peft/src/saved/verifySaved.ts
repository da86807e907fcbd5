import { copyInto, noGrad, type Tensor, to } from "@lowrank/core";
import type { WritablePlace } from "@lowrank/files";
import { type Module, Parameter } from "@lowrank/nn";
import type { PeftConfig } from "../config/peftConfig.ts";
import type { OnWarning } from "../config/warning.ts";
import { fileFormOf } from "../methods/shared/method.ts";
import type { MethodFacts } from "../methods/shared/methodFacts.ts";
import type { AdaptableModel } from "../model/adaptedLoss.ts";
import { compareOutputs, type OutputDifference, type Outputs, outputValues } from "../model/compareOutputs.ts";
import { evaluating } from "../model/evaluating.ts";
import type { Tuner } from "../model/tuner.ts";
import { loadSaved } from "./loadSaved.ts";
import { readAdapter } from "./readAdapter.ts";
import { folderOf, savedValues } from "./saveAdapters.ts";
import type { AdapterFilesOptions } from "./savedOptions.ts";

/**
 * Difference between the model's outputs with an adapter in memory and with the same adapter loaded from its saved
 * files. Rounding to `dtype` causes it; without rounding it is 0.
 */
export interface SavedReport extends OutputDifference {
  adapter: string;
}

/** Adapters to save, their folder, and the inputs on which to compare the outputs. */
interface Saving<M extends AdaptableModel> {
  folder: WritablePlace;
  names: readonly string[];
  options: AdapterFilesOptions;
  inputs: Parameters<M["forward"]>[0];
}

/**
 * Calls `write` to save adapters, loads them again and compares the model's outputs. Checks that the loaded tensors
 * equal the tensors in memory after rounding to `dtype`. Also checks that outputs are bit-identical after the unrounded
 * values were copied into the loaded adapter. Throws, with the adapter's name, if a check fails. Throws before writing
 * if the adapters cannot be compared. Restores the model.
 */
export async function verifySaved<M extends AdaptableModel>(
  tuner: Tuner<M>,
  { folder, names, options, inputs }: Saving<M>,
  write: () => Promise<void>,
  onWarning: OnWarning,
): Promise<SavedReport[]> {
  checkVerifiable(tuner, options);
  const { dtype = "f32" } = options;
  const answers = (name: string) => {
    tuner.activate(name);
    return outputValues(tuner.model, inputs);
  };
  return asBefore(tuner, async () => {
    // Runs before writing, since the forward pass of some methods (constrained OFT) rescales parameters.
    const live: Outputs[] = [];
    for (const name of names) live.push(await answers(name));
    await write();
    const reports: SavedReport[] = [];
    for (const [i, name] of names.entries()) {
      const again = await readAgain(tuner, folder, name, onWarning);
      try {
        if (dtype !== "f32") await checkRounding(tuner, name, again, dtype);
        const loaded = await answers(again);
        reports.push({ adapter: name, ...compareOutputs(live[i], loaded) });
        if (dtype !== "f32") copyValues(tuner, name, again);
        const exact = dtype === "f32" ? loaded : await answers(again);
        if (exact.values.some((x, at) => !Object.is(x, live[i].values[at]))) {
          const { maxAbsDiff } = compareOutputs(live[i], exact);
          throw differs(
            name,
            folder,
            `outputs differ by ${maxAbsDiff.toExponential(1)}, which rounding does not explain`,
          );
        }
      } finally {
        tuner.remove(again);
      }
    }
    return reports;
  });
}

/** Throws for adapters that could be saved but not loaded again and compared on this model. */
function checkVerifiable(
  tuner: Tuner<Module>,
  { pathInitialModelForWeightConversion: initial }: AdapterFilesOptions,
): void {
  tuner.checkWhole("verify what is saved");
  if (tuner.mergedNames.length > 0) {
    throw new Error(
      `savePretrained: ${tuner.mergedNames.join(", ")} is merged; call unmergeAdapter before saving with verify`,
    );
  }
  if (initial !== undefined) {
    throw new Error(
      "savePretrained: verify compares the saved adapter with this model, but with pathInitialModelForWeightConversion the adapter is for the original base weights; save without verify, and load the adapter on a new model",
    );
  }
}

/** Runs `fn` in evaluation mode. Restores the modes, the active adapter and `requiresGrad` afterwards. */
async function asBefore<T>(tuner: Tuner<Module>, fn: () => Promise<T>): Promise<T> {
  const { active, encoders } = tuner;
  const trained = [...tuner.parameters(), ...encoders.parameters()].map((p) => [p, p.requiresGrad] as const);
  try {
    return await evaluating([tuner, encoders], fn);
  } finally {
    tuner.activate(...active);
    for (const [parameter, requiresGrad] of trained) parameter.requiresGrad = requiresGrad;
  }
}

/** Loads a saved adapter into the model under an unused name. Returns that name. */
async function readAgain(
  tuner: Tuner<Module>,
  folder: WritablePlace,
  name: string,
  onWarning: OnWarning,
): Promise<string> {
  let free = `${name}-saved`;
  while (tuner.adapters.has(free)) free += "-";
  try {
    const saved = await readAdapter(folder, { subfolder: folderOf(name) }, () => {});
    const config = onSetBase(name, saved, onWarning);
    await loadSaved(tuner, { ...saved, config }, free, {}, () => {});
  } catch (error) {
    throw differs(name, folder, `it does not load: ${(error as Error).message}`, error);
  }
  return free;
}

/**
 * Returns the configuration with which to load the adapter onto base weights that its initialisation has already
 * changed.
 */
function onSetBase(
  name: string,
  { method, config }: { method: MethodFacts<PeftConfig>; config: PeftConfig },
  onWarning: OnWarning,
): PeftConfig {
  const start = method.startsFromWeights?.(config) ?? null;
  if (!start) return config;
  const message = `savePretrained: adapter "${name}" started from ${start.name}, which changed base weights; it was verified on the changed ones. To load it, start from the original base weights: loading changes them in the same way`;
  onWarning({ code: "changed-base", message });
  return start.onSetWeights;
}

/**
 * Throws unless the tensors of adapter `again` (loaded from the saved files) equal the tensors of `name` rounded to
 * `dtype`.
 */
async function checkRounding(tuner: Tuner<Module>, name: string, again: string, dtype: "f16" | "bf16"): Promise<void> {
  for (const [key, there, value] of pairs(tuner, name, again)) {
    using half = to(value, { dtype });
    using rounded = to(half, { dtype: "f32" });
    const [found, wanted] = [await there.bytes(), await rounded.bytes()];
    if (found.some((byte, i) => byte !== wanted[i])) {
      throw new Error(
        `savePretrained: adapter "${name}": ${key} in the written file differs from the tensor in memory rounded to ${dtype}; save it again`,
      );
    }
  }
}

/** Copies the unrounded values of adapter `name` to adapter `again`. */
function copyValues(tuner: Tuner<Module>, name: string, again: string): void {
  for (const [key, there, value] of pairs(tuner, name, again)) {
    noGrad(() => copyInto(there, value));
    if (key === "prompt_embeddings") tuner.adapter(again).prompt?.encoder.setRows(value);
  }
}

/**
 * Yields each tensor that files store unencoded: its key, the tensor of adapter `again` (loaded from the saved files),
 * and the tensor of adapter `name`.
 */
function* pairs(tuner: Tuner<Module>, name: string, again: string): Iterable<readonly [string, Tensor, Tensor]> {
  const adapter = tuner.adapter(name);
  const form = fileFormOf(adapter.method, adapter.config);
  const loaded = tuner.filed(again);
  for (const [key, value] of savedValues(tuner, adapter)) {
    using own = value;
    const there = loaded.get(key)!;
    if (!form?.parts(key, own)) yield [key, there, own];
    if (!(there instanceof Parameter)) there.dispose();
  }
}

function differs(name: string, folder: WritablePlace, how: string, cause?: unknown): Error {
  return new Error(
    `savePretrained: adapter "${name}" was written to ${placeName(folder)}, but the files, read again, differ from the adapter in memory: ${how}. Do not use these files; an adapter must be described completely by its tensors and options`,
    { cause },
  );
}

function placeName(place: WritablePlace): string {
  return typeof place === "string" || place instanceof URL ? String(place) : place.label;
}
