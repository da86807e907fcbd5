import { noGrad, scope, tensor } from "@lowrank/core";
import { openFiles, readJson } from "@lowrank/files";
import { PeftModel, type TaskType } from "@lowrank/peft";
import { warn } from "../../cli/loading/loading.ts";
import { loadingProgress } from "../../cli/loading/loadingProgress.ts";
import { type QuantizeCommandOptions, quantizeToLoad } from "../../cli/options/quantizeOptions.ts";
import type { NewOutput } from "../../cli/outputs/newOutput.ts";
import { encoder } from "../train/kinds/encoder.ts";
import type { LoadedBase, LoadedDType, ModelKind } from "../train/kinds/modelKind.ts";
import { sequenceClassifier } from "../train/kinds/sequenceClassifier.ts";
import { tokenClassifier } from "../train/kinds/tokenClassifier.ts";

/** Kinds of models that do not generate text, by PEFT's task type. */
const kinds: Partial<Readonly<Record<TaskType, ModelKind>>> = {
  SEQ_CLS: sequenceClassifier,
  TOKEN_CLS: tokenClassifier,
  FEATURE_EXTRACTION: encoder,
};

/** Returns the kind of model that an adapter is for; null for a model that generates text. */
export async function headedKindOf(adapter: string): Promise<ModelKind | null> {
  const files = await openFiles(adapter);
  if (!(await files.has("adapter_config.json"))) return null;
  const { task_type } = Object(await readJson(files, "adapter_config.json")) as { task_type?: TaskType };
  return (task_type && kinds[task_type]) ?? null;
}

/** Options for `mergeHeaded`. */
export interface MergeHeadedOptions extends QuantizeCommandOptions {
  model: string;
  adapter: string;
  output: string;
  prompt: string;
  backend: string;
}

/**
 * Comparison of the merged model's output values with the adapted model's: the largest absolute difference, and the
 * adapted model's largest absolute output value (`scale`).
 */
export interface HeadedMerge {
  readonly maxDifference: number;
  readonly scale: number;
}

/**
 * Merges an adapter into a model that classifies or embeds, and writes the merged model to a folder. Throws if the
 * outputs of the merged model, or of the model loaded from the folder, differ from the outputs with the adapter.
 */
export async function mergeHeaded(
  kind: ModelKind,
  options: MergeHeadedOptions,
  dtype: LoadedDType,
  { folder, place }: NewOutput,
): Promise<HeadedMerge> {
  const { adapter, backend } = options;
  const labels = await labelsOf(kind, options);
  const load = (path: string) =>
    kind.load(path, { labels, backend, weights: "f32", quantize: quantizeToLoad(options), seed: 0, wideSimd: false });
  const base = await load(options.model);
  const ids = base.tokenizer.encode(options.prompt);
  const { onProgress, end } = loadingProgress(process.stderr);
  const peft = await PeftModel.fromPretrained(base.model, adapter, { onWarning: warn, onProgress }).finally(end);
  const adapted = await numbersOf(base.model, ids);
  const model = await peft.mergeAndUnload({ safeMerge: true, dtype: "f32" });
  const merged = compare(adapted, await numbersOf(model, ids));
  checkNear("merged", merged, 1e-4);
  await base.save(folder, dtype);
  const written = await kind.load(folder, { labels, backend, weights: "f32", seed: 0, wideSimd: false });
  checkNear("written", compare(adapted, await numbersOf(written.model, ids)), dtype === "f32" ? 1e-4 : 0.1);
  await place();
  return merged;
}

/**
 * Returns the labels of the head that an adapter trained. Reads them from the config.json in the adapter's folder,
 * which `lowrank train` writes. If that file is missing or lists no labels, reads them from the base model.
 */
async function labelsOf(kind: ModelKind, { model, adapter }: MergeHeadedOptions): Promise<readonly string[]> {
  const files = await openFiles(adapter);
  const run = (await files.has("config.json")) ? Object(await readJson(files, "config.json")) : {};
  const labels = (run as { resolved?: { labels?: readonly string[] } }).resolved?.labels ?? [];
  return labels.length > 0 ? labels : kind.labelsOf(model, []);
}

/** Returns the logits of a prompt, or the hidden states of a model without a head. Throws if a value is not finite. */
async function numbersOf(model: LoadedBase["model"], ids: readonly number[]): Promise<Float32Array> {
  model.eval();
  using output = noGrad(() =>
    scope(() => {
      const found = model.forward({ inputIds: tensor([...ids], { dtype: "i32", shape: [1, ids.length] }) });
      return "logits" in found ? found.logits : found;
    }),
  );
  const numbers = (await output.data()) as Float32Array;
  if (numbers.every(Number.isFinite)) return numbers;
  throw new Error("the model with its adapter gives values that are not finite; nothing was written");
}

function compare(a: Float32Array, b: Float32Array): HeadedMerge {
  let [maxDifference, scale] = [0, 0];
  for (const [i, x] of a.entries()) {
    maxDifference = Math.max(maxDifference, Math.abs(x - b[i]));
    scale = Math.max(scale, Math.abs(x));
  }
  return { maxDifference, scale };
}

function checkNear(what: string, { maxDifference, scale }: HeadedMerge, tolerance: number): void {
  if (maxDifference <= tolerance * Math.max(1, scale)) return;
  throw new Error(
    `the outputs of the ${what} model differ by up to ${maxDifference.toExponential(1)} from those of the model with its adapter (largest output ${scale.toFixed(1)}); nothing was written`,
  );
}
