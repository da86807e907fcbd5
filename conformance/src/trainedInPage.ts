import { loadModel } from "@lowrank/models";
import { PeftModel } from "@lowrank/peft";
import { pageScript, trainInPage } from "@lowrank/test-support/pageTraining";
import type { Browser } from "playwright";
import { asTensors, type Batch } from "./batch.ts";
import { compare, type Findings, relativeDifference, usualTolerances } from "./compare.ts";
import { type Applied, complaints } from "./directions.ts";
import { measure, unpack } from "./measure.ts";
import type { Python } from "./python.ts";

/**
 * Trains an adapter in a page that crashes and reloads, and downloads it. The result must equal an uninterrupted
 * training, and Lowrank in Node and PEFT must read it.
 */
export async function trainedInPage(
  browser: Browser,
  { python, model, work }: { python: Python; model: string; work: string },
): Promise<Findings> {
  const { adapter, inputIds, logits, problems } = await trainInPage(browser, { script: pageScript, model, work });
  const batch: Batch = {
    input_ids: inputIds,
    attention_mask: inputIds.map((row) => row.map(() => 1)),
    labels: inputIds,
  };
  const { model: base } = await loadModel(model);
  const peft = await PeftModel.fromPretrained(base, adapter, { isTrainable: true });
  peft.eval();
  const ours = await measure(peft, asTensors(batch));
  const request = { base: model, adapter, inputs: batch, merge: null, again: `${work}/again` };
  const theirs = await python.ask<Applied>("apply_adapter", request);
  const inPage = relativeDifference(Float32Array.from(logits), ours.get("logits") as Float32Array);
  const { differences, problems: found } = compare(ours, unpack(theirs.tensors));
  if (!(inPage <= usualTolerances.logits)) found.push(`the page's logits differ from Node's by ${inPage}`);
  return { differences, problems: [...problems, ...complaints(theirs), ...found] };
}
