import { join } from "node:path";
import { loadModel } from "@lowrank/models";
import { getPeftModel, LoraConfig } from "@lowrank/peft";
import { asTensors } from "./batch.ts";
import { compare, type Findings } from "./compare.ts";
import { type Applied, complaints, type Trial } from "./directions.ts";
import { logitsOf, measure, train, unpack } from "./measure.ts";

/** Initialisations that subtract from the base weights. */
export const convertedStarts = ["pissa", "olora"] as const;

/**
 * Trains an adapter with such an initialisation and saves it as plain LoRA for the original weights. PEFT loads it on
 * these and must get the same logits and loss.
 */
export async function convertedToLora(
  start: (typeof convertedStarts)[number],
  { python, base, batch, folder }: Trial,
): Promise<Findings> {
  const [initial, adapter, again] = ["initial", "converted", "again"].map((name) => join(folder, name));
  const inputs = asTensors(batch);
  const options = { r: 4, initLoraWeights: start, targetModules: "all-linear", taskType: "CAUSAL_LM" } as const;
  const peft = await getPeftModel((await loadModel(base)).model, new LoraConfig(options), { onWarning: () => {} });
  await peft.savePretrained(initial);
  await train(peft, inputs, { steps: 4, lr: 5e-3 });
  await peft.savePretrained(adapter, { pathInitialModelForWeightConversion: initial });
  const ours = await measure(peft, inputs, false);
  ours.set("merged_logits", await logitsOf(await peft.mergeAndUnload(), inputs));
  const theirs = await python.ask<Applied>("apply_adapter", { base, adapter, inputs: batch, merge: "float32", again });
  // Its gradients belong to other factors.
  const answers = [...unpack(theirs.tensors)].filter(([name]) => !name.startsWith("grad."));
  const { differences, problems } = compare(ours, new Map(answers));
  return { differences, problems: [...complaints(theirs, []), ...problems] };
}
