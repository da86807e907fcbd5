import { scope, type Tensor } from "@lowrank/core";
import { filesIn, type ModelFiles, readJson } from "@lowrank/files";
import { type CausalLM, loadModel, loadSequenceClassifier, type SequenceClassifier } from "@lowrank/models";
import { PeftModel } from "@lowrank/peft";
import { readWhole } from "@lowrank/test-support/readWhole";
import { type Check, sameBytes } from "../check/compare.ts";
import { isClassifier, modelFiles } from "../models/models.ts";

export const logitTolerance = 2e-5;

/** The name of the weights file in a PEFT folder. */
export const adapterWeights = "adapter_model.safetensors";

/** A golden adapter: the names of its base model and of its method in the golden data. */
export interface AdapterPlace {
  readonly files: ModelFiles;
  readonly base: string;
  readonly method: string;
}

/** The folder of a golden adapter. */
export function adapterFolder({ files, base, method }: AdapterPlace): ModelFiles {
  return filesIn(files, `adapters/${base}/${method}`);
}

/** Loads the golden base model of an adapter. */
export async function loadBase({ files, base }: AdapterPlace): Promise<CausalLM | SequenceClassifier> {
  const folder = modelFiles(files, base);
  return (await ((await isClassifier(folder)) ? loadSequenceClassifier(folder) : loadModel(folder))).model;
}

/** An adapted golden model of either kind. */
export type GoldenPeft = PeftModel<CausalLM | SequenceClassifier>;

/** Loads a golden adapter onto its base model, and ignores warnings. */
export async function load(place: AdapterPlace, isTrainable: boolean): Promise<GoldenPeft> {
  const options = { isTrainable, onWarning: () => {} };
  return PeftModel.fromPretrained(await loadBase(place), adapterFolder(place), options);
}

/** The logits of a model, adapted or not. */
export async function logitsOf<I>(
  model: { forward(inputs: I): { logits: Tensor } },
  inputs: I,
): ReturnType<Tensor["data"]> {
  const { logits } = scope(() => model.forward(inputs));
  return logits.data();
}

/** Checks the number of trainable and of all parameters against a golden index. */
export async function counts({ files, base, method }: AdapterPlace, peft: PeftModel, file?: string): Promise<Check> {
  const listed = (await files.has("adapters/index.json")) ? "index.json" : "more.json";
  const index = (await readJson(files, `adapters/${file ?? listed}`)) as {
    base: string;
    method: string;
    trainable: number;
    all?: number;
  }[];
  const expected = index.find((entry) => entry.base === base && entry.method === method);
  const { trainable, all } = peft.getNbTrainableParameters();
  const sum = expected?.all ?? all;
  if (!expected || (expected.trainable === trainable && sum === all)) return { name: "parameter counts" };
  return { name: "parameter counts", error: `${trainable} of ${all} instead of ${expected.trainable} of ${sum}` };
}

/** Compares a file that was saved again with the original. */
export async function savedAgain(
  saved: ReadonlyMap<string, Uint8Array | string>,
  folder: ModelFiles,
  name: string,
): Promise<Check> {
  return sameBytes(`${name} saved again`, saved.get(name) as Uint8Array, await readWhole(folder, name));
}

/**
 * Returns a model's parameters by their names in golden files, which omit the adapter's name. LoRA's factors have the
 * names that they have in files.
 */
export function trainedByName(peft: PeftModel): Map<string, Tensor> {
  const filed = [...peft.adapterTensors()].filter(([key]) => /\.lora_[AB]\.weight$/.test(key));
  const keys = new Map(filed.map(([key, tensor]) => [tensor, key]));
  return new Map(
    [...peft.namedParameters({ duplicates: true })].map(([name, p]) => [
      keys.get(p) ?? name.replace(".default", ""),
      p,
    ]),
  );
}
