import { join } from "node:path";
import { loadModel } from "@lowrank/models";
import { getPeftModel, LoraConfig, PeftModel } from "@lowrank/peft";
import { asTensors, type Batch } from "./batch.ts";
import { compare, type Findings } from "./compare.ts";
import type { LoraCase } from "./loraCases.ts";
import { logitsOf, measure, type PackedTensors, train, unpack } from "./measure.ts";
import type { Python } from "./python.ts";

/** What one trial works with: a base model's folder, a batch for it, and an empty folder of its own. */
export interface Trial {
  python: Python;
  base: string;
  batch: Batch;
  folder: string;
}

const steps = 4;
const lr = 5e-3;

/** An adapter that Lowrank made, trained and saved, read by PEFT. */
export async function oursInPeft({ options }: LoraCase, { python, base, batch, folder }: Trial): Promise<Findings> {
  const adapter = join(folder, "ours");
  const inputs = asTensors(batch);
  const { model } = await loadModel(base);
  const peft = getPeftModel(model, new LoraConfig({ ...options, taskType: "CAUSAL_LM" }));
  await train(peft, inputs, steps, lr);
  await peft.savePretrained(adapter);
  const ours = await measure(peft, inputs);
  ours.set("merged_logits", await logitsOf(await peft.mergeAndUnload(), inputs));

  const theirs = await python.ask<{
    missing: string[];
    unexpected: string[];
    warnings: string[];
    tensors: PackedTensors;
  }>("apply_adapter", { base, adapter, inputs: batch });
  const { differences, problems } = compare(ours, unpack(theirs.tensors));
  const complaints = (["missing", "unexpected", "warnings"] as const).flatMap((kind) =>
    theirs[kind].map((what) => `PEFT's ${kind}: ${what}`),
  );
  return { differences, problems: [...complaints, ...problems] };
}

/** An adapter that PEFT made, trained and saved, read and trained further by Lowrank. */
export async function theirsInLowrank(lora: LoraCase, { python, base, batch, folder }: Trial): Promise<Findings> {
  const adapter = join(folder, "theirs");
  const config = { peft_type: "LORA", task_type: "CAUSAL_LM", ...snakeKeys(lora.options) };
  const request = { base, config, seed: 1, inputs: batch, steps, lr, adapter };
  const theirs = await python.ask<{ tensors: PackedTensors }>("train_adapter", request);

  const inputs = asTensors(batch);
  const merged = await PeftModel.fromPretrained((await loadModel(base)).model, adapter);
  const peft = await PeftModel.fromPretrained((await loadModel(base)).model, adapter, { isTrainable: true });
  const ours = await measure(peft, inputs);
  ours.set("merged_logits", await logitsOf(await merged.mergeAndUnload(), inputs));
  ours.set("losses", await train(peft, inputs, steps, lr));
  return compare(ours, unpack(theirs.tensors));
}

/** The options as PEFT's configuration names them; keys inside patterns and index tables are data and stay. */
function snakeKeys(options: object): Record<string, unknown> {
  const snake = (key: string): string => key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return Object.fromEntries(Object.entries(options).map(([key, value]) => [snake(key), value]));
}
