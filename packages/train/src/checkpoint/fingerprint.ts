import {
  exp,
  getFloat32MatmulPrecision,
  matmul,
  noGrad,
  scope,
  sum,
  type Tensor,
  tanh,
  tensor,
  yieldIfDue,
} from "@lowrank/core";
import type { Optimizer } from "@lowrank/nn";
import { backendOf, type TrainableModule } from "../data/batches/modelBatch.ts";
import { crc32, hexOf } from "../data/crc32.ts";
import { areListed, type Examples } from "../data/dataset.ts";
import { type RateSetting, recordsBest, type TrainingSettings } from "../options/trainerOptions.ts";
import { ownTaskOf, type TaskOptions, taskOptionsOf } from "../tasks/taskOf.ts";

type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/**
 * All settings that determine a run's results: options, data, model and arithmetic. When a run is resumed, its
 * fingerprint is compared with the checkpoint's. Keys are option names where possible.
 */
export type Fingerprint = Readonly<Record<string, Json>>;

/** The objects and options of a run from which its fingerprint is computed. */
export interface FingerprintedRun {
  readonly model: TrainableModule;
  readonly examples: Examples<unknown>;
  readonly options: TrainingSettings<unknown> & TaskOptions;
  readonly optimizer: Optimizer<RateSetting>;
  /** The peak learning rate of each parameter group of the optimiser. */
  readonly peaks: readonly number[];
  readonly maxSteps: number;
}

/**
 * Computes the fingerprint of a run. Call it before the first step, since some methods change their settings in
 * training.
 */
export async function fingerprintOf(run: FingerprintedRun): Promise<Fingerprint> {
  return {
    ...settingsOf(run),
    ...optimizerSettings(run),
    ...adapterSettings((await run.model.adapterFiles?.()) ?? new Map()),
    examples: await digestOfExamples(run.examples),
    ...(await evaluationSettings(run.options)),
    model: await digestOfModel(run.model),
    arithmetic: await arithmeticOf(run.model),
  };
}

/**
 * Returns the options that affect the results of training. A custom schedule is recorded only as "own", since functions
 * cannot be compared.
 */
function settingsOf({ options, maxSteps }: FingerprintedRun): Fingerprint {
  const { batchSize = 8, gradientAccumulationSteps = 1, maxGradNorm = 1, minLr = 0, minLrRate = 0 } = options;
  const schedule = typeof options.schedule === "function" ? "own" : (options.schedule ?? "linear");
  const { warmupSteps = 0, shuffle = true, seed = 0, groupByLength = false, neftuneNoiseAlpha = 0 } = options;
  const { precision = getFloat32MatmulPrecision() } = options;
  const task = Object.entries(taskOptionsOf(options)).filter(([, value]) => typeof value === "number");
  const own = Object.entries(ownTaskOf(options)?.settings ?? {}).filter(([, value]) => value !== undefined);
  return {
    ...{ batchSize, gradientAccumulationSteps, maxGradNorm, schedule, warmupSteps, shuffle, groupByLength },
    ...{ minLr, minLrRate, neftuneNoiseAlpha, precision },
    ...((shuffle || neftuneNoiseAlpha > 0) && { seed }),
    // With a constant rate, `maxSteps` does not affect the steps themselves, so a run may be prolonged.
    ...(schedule !== "constant" && { maxSteps }),
    ...Object.fromEntries(task as [string, number][]),
    ...Object.fromEntries(own as [string, number | string][]),
  };
}

/**
 * Returns the evaluation options if they affect the final weights, that is, if the best evaluation or early stopping is
 * used. Otherwise returns an empty object.
 */
async function evaluationSettings(options: FingerprintedRun["options"]): Promise<Fingerprint> {
  const { evaluation } = options;
  if (!recordsBest(options) || !evaluation) return {};
  const { metricForBestModel = "loss", greaterIsBetter = null, loadBestModelAtEnd = false } = options;
  const { earlyStoppingPatience = null, earlyStoppingThreshold = 0 } = options;
  return {
    ...{ loadBestModelAtEnd, metricForBestModel, greaterIsBetter, earlyStoppingPatience, earlyStoppingThreshold },
    evaluationEvery: evaluation.every ?? null,
    evaluationExamples: await digestOfExamples(evaluation.examples),
  };
}

function optimizerSettings({ options, optimizer, peaks }: FingerprintedRun): Fingerprint {
  const kind = typeof options.optimizer === "object" ? "own" : (options.optimizer ?? "adamw");
  const groups = optimizer.groups.map(({ params, lr, ...settings }) => settings as Record<string, Json>);
  const names = [...new Set(groups.flatMap((group) => Object.keys(group)))];
  const each = names.map((name): [string, Json] => [name, oneOrAll(groups.map((group) => group[name] ?? null))]);
  return { optimizer: kind, learningRate: oneOrAll(peaks), ...Object.fromEntries(each) };
}

/** Returns a setting of the optimiser's groups: one value if it is the same in all, otherwise the list of values. */
function oneOrAll(values: readonly Json[]): Json {
  const [first] = values;
  return values.every((value) => same(value, first)) ? first : values;
}

/** Fields of adapter_config.json that do not affect a run's results. */
const idleFields: ReadonlySet<string> = new Set([
  "base_model_name_or_path",
  "revision",
  "peft_version",
  "inference_mode",
]);

function adapterSettings(files: ReadonlyMap<string, Uint8Array | string>): Fingerprint {
  const settings: Record<string, Json> = {};
  for (const [name, content] of files) {
    if (!name.endsWith(".json")) continue;
    const text = typeof content === "string" ? content : new TextDecoder().decode(content);
    for (const [field, value] of Object.entries(JSON.parse(text) as Record<string, Json>)) {
      if (!idleFields.has(field)) settings[`${name}: ${field}`] = value;
    }
  }
  return settings;
}

/** Returns the number of examples, with a digest of their contents. */
async function digestOfExamples(examples: Examples<unknown>): Promise<string> {
  if (!areListed(examples)) return `${examples.length} examples (${examples.digest})`;
  const encoder = new TextEncoder();
  let crc = 0;
  for (const example of examples) {
    crc = crc32(encoder.encode(`${textOf(example)}\n`), crc);
    await yieldIfDue();
  }
  return `${examples.length} examples (${hexOf(crc)})`;
}

/** Converts an example to JSON, for the digest. Typed arrays become lists; bigints and functions become strings. */
function textOf(example: unknown): string {
  return JSON.stringify(example, (_, value) => {
    if (ArrayBuffer.isView(value) && !(value instanceof DataView)) return Array.from(value as Uint8Array);
    return typeof value === "bigint" || typeof value === "function" ? String(value) : value;
  });
}

/**
 * Maximum size, in bytes, of frozen tensors whose contents are included in the digest. Norms and biases are this small.
 * Their contents suffice to distinguish models.
 */
const readBytes = 1 << 16;

/**
 * Returns a digest of the names, dtypes and shapes of all tensors, and of the contents of frozen tensors up to
 * `readBytes`.
 */
async function digestOfModel(model: TrainableModule): Promise<string> {
  const encoder = new TextEncoder();
  let crc = 0;
  for (const [name, parameter] of model.namedParameters()) {
    crc = crc32(encoder.encode(`${name} ${parameter.dtype} ${parameter.shape}\n`), crc);
    if (!parameter.requiresGrad && parameter.storage.buffer.bytes <= readBytes)
      crc = crc32(await parameter.bytes(), crc);
    await yieldIfDue();
  }
  return hexOf(crc);
}

/**
 * Computes a few results on the model's backend. Returns the backend's name and a checksum of the results' bits, which
 * changes if another kernel, processor or driver rounds differently.
 */
async function arithmeticOf(model: TrainableModule): Promise<string> {
  const backend = backendOf(model);
  const values = (count: number) => Float32Array.from({ length: count }, (_, i) => ((i * 7919) % 1009) / 504 - 1);
  const results = noGrad(() =>
    scope((): Tensor[] => {
      const a = tensor(values(9 * 65), { shape: [9, 65], backend });
      const b = tensor(values(17 * 65), { shape: [17, 65], backend });
      const product = matmul(a, b, { transposeB: true });
      return [product, exp(product), tanh(product), sum(product)];
    }),
  );
  let crc = 0;
  for (const result of results) {
    crc = crc32(await result.bytes(), crc);
    result.dispose();
  }
  return `${backend.name} ${hexOf(crc)}`;
}

/** One option or property in which a run differs from the checkpoint's run. */
export interface RunDifference {
  /** Name of the option or property. For a field of an adapter's configuration: `<file>: <field>`. */
  readonly name: string;
  /** The value in this run; undefined if only the checkpoint has it. */
  readonly now: unknown;
  readonly saved: unknown;
}

/** Compares the fingerprints of a run and of the checkpoint's run. Returns all differences. */
export function differencesOf(now: Fingerprint, saved: Fingerprint): RunDifference[] {
  const keys = [...new Set([...Object.keys(now), ...Object.keys(saved)])];
  return keys.flatMap((name) => {
    return same(now[name], saved[name]) ? [] : [{ name, now: now[name], saved: saved[name] }];
  });
}

/** Returns true if two JSON values are equal. The order of keys does not matter. */
function same(a: Json | undefined, b: Json | undefined): boolean {
  return a === b || canonical(a) === canonical(b);
}

function canonical(value: Json | undefined): string | undefined {
  return JSON.stringify(value, (_, part) => {
    const isRecord = typeof part === "object" && part !== null && !Array.isArray(part);
    if (!isRecord) return part;
    const keys = Object.keys(part).sort();
    return Object.fromEntries(keys.map((key) => [key, part[key]]));
  });
}
