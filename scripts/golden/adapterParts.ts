import { readFileSync } from "node:fs";
import { join } from "node:path";
import { scope, type Tensor } from "@lowrank/core";
import { type CausalLM, loadModel, loadSequenceClassifier, type SequenceClassifier } from "@lowrank/models";
import { PeftModel } from "@lowrank/peft";
import type { Check } from "./compare.ts";
import { isClassifier } from "./models.ts";

export const logitTolerance = 2e-5;

/** The folders of a model and of an adapter on it. */
export interface AdapterPlace {
  base: string;
  adapter: string;
}

/** Loads a golden base model. */
export async function loadBase(folder: string): Promise<CausalLM | SequenceClassifier> {
  return (await (isClassifier(folder) ? loadSequenceClassifier(folder) : loadModel(folder))).model;
}

/** An adapted golden model of either kind. */
export type GoldenPeft = PeftModel<CausalLM | SequenceClassifier>;

/** A golden adapter on its base, without the warnings that some of them deserve. */
export async function load({ base, adapter }: AdapterPlace, isTrainable: boolean): Promise<GoldenPeft> {
  return PeftModel.fromPretrained(await loadBase(base), adapter, { isTrainable, onWarning: () => {} });
}

/** The logits of a model, adapted or not. */
export async function logitsOf<I>(
  model: { forward(inputs: I): { logits: Tensor } },
  inputs: I,
): ReturnType<Tensor["data"]> {
  const { logits } = scope(() => model.forward(inputs));
  return logits.data();
}

/** Checks the numbers of trainable and of all parameters against a golden index. */
export function counts({ adapter }: AdapterPlace, peft: PeftModel, file = "index.json"): Check {
  const [method, base] = adapter.split(/[\\/]/).reverse();
  const index = JSON.parse(readFileSync(join(adapter, "..", "..", file), "utf8")) as {
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

/** The adapter saved again, beside the file that it came from. */
export function sameBytes(
  saved: ReadonlyMap<string, Uint8Array | string>,
  adapter: string,
  name = "adapter_model.safetensors",
): Check {
  const expected = readFileSync(join(adapter, name));
  const actual = Buffer.from(saved.get(name) as Uint8Array);
  if (actual.equals(expected)) return { name: `${name} saved again` };
  return { name: `${name} saved again`, error: `${actual.length} bytes differ from the ${expected.length} of ${name}` };
}

/** A model's parameters by the names that golden files have, which leave the adapter's out. */
export function trainedByName(peft: PeftModel): Map<string, Tensor> {
  return new Map([...peft.namedParameters({ duplicates: true })].map(([name, p]) => [name.replace(".default", ""), p]));
}
