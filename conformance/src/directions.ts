import { join } from "node:path";
import { type CausalLM, loadModel, loadSequenceClassifier, type SequenceClassifier } from "@lowrank/models";
import { getPeftModel, PeftModel } from "@lowrank/peft";
import { type AdapterCase, lowrankConfig, peftConfig } from "./adapterCase.ts";
import { asTensors, type Batch, withoutBlindLogits } from "./batch.ts";
import {
  compare,
  type Findings,
  type Results,
  relativeDifference,
  type Tolerances,
  usualTolerances,
} from "./compare.ts";
import { type Counts, countProblems } from "./counts.ts";
import { logitsOf, measure, type PackedTensors, train, unpack } from "./measure.ts";
import type { Python } from "./python.ts";
import { savedAgain } from "./savedAgain.ts";

/** The inputs of one trial: a base model's folder, a batch for it, and an empty folder. */
export interface Trial {
  python: Python;
  base: string;
  batch: Batch;
  folder: string;
  /** The width of the logits. */
  classes: number;
  /** The dtype of the base model's weights, which Lowrank keeps. Default: float32. */
  dtype?: "float32" | "bfloat16" | "float16";
}

/** PEFT's response after loading a folder. */
export interface Applied {
  missing: string[];
  unexpected: string[];
  warnings: string[];
  tensors: PackedTensors;
}

const steps = 4;
const lr = 5e-3;
const quiet = { onWarning: () => {} };

/**
 * Tolerance factor for merged half-precision weights. Lowrank rounds a merged weight once, like PEFT's merge in
 * float32. (PEFT's own merge in half precision rounds the added matrix, and then the sum.) If float32 sums differ by a
 * bit, some weights round to the other side. This seldom changes logits as much as the rounding of all weights changes
 * PEFT's.
 */
const ofRounding = 1.5;

function agree(
  adapter: AdapterCase,
  { batch, classes, dtype = "float32" }: Trial,
  ours: Results,
  theirs: Results,
): Findings {
  const { why: _, ...own } = { why: "", ...adapter.method.tolerances };
  const tolerances: Tolerances = { ...usualTolerances, ...own };
  const named = adapter.method.prompt ? withoutWrapper(ours) : ours;
  const seen = (results: Results) =>
    adapter.task === "SEQ_CLS" ? results : withoutBlindLogits(results, batch, classes);
  const [a, b] = [seen(named), seen(theirs)];
  const [logits, merged] = [b.get("logits"), b.get("merged_logits")];
  if (dtype !== "float32" && logits && merged) {
    const moved = relativeDifference(logits, merged);
    if (Number.isFinite(moved)) tolerances.merged_logits += ofRounding * moved;
  }
  return compare(a, b, tolerances);
}

/** Renames results to the parameter names of a model that PEFT has not wrapped. */
function withoutWrapper(results: Results): Results {
  return new Map(
    [...results].map(([name, values]) => [name.replace(/^grad\.base_model\.model\./, "grad.base_model."), values]),
  );
}

async function load(base: string, { task }: AdapterCase): Promise<CausalLM | SequenceClassifier> {
  const { model } = await (task === "SEQ_CLS" ? loadSequenceClassifier : loadModel)(base, { dtype: "auto" });
  return model;
}

/** Creates, trains and saves an adapter in Lowrank, and loads it in PEFT. */
export async function oursInPeft(adapter: AdapterCase, trial: Trial): Promise<Findings> {
  const { python, base, batch, dtype = "float32" } = trial;
  const folder = join(trial.folder, "ours");
  const inputs = asTensors(batch);
  const peft = await getPeftModel(await load(base, adapter), lowrankConfig(adapter, base), quiet);
  await train(peft, inputs, { steps, lr, allocates: adapter.method.allocates });
  await peft.savePretrained(folder);
  // Files omit ranks that were cut, for which the model in memory still has gradients.
  const saved = adapter.method.allocates
    ? await PeftModel.fromPretrained(await load(base, adapter), folder, { isTrainable: true, ...quiet })
    : peft;
  const ours = await measure(saved, inputs, !adapter.method.prompt);
  if (adapter.merges) ours.set("merged_logits", await logitsOf(await saved.mergeAndUnload(), inputs));

  const again = join(trial.folder, "ours-again");
  const { attention } = adapter.method;
  const merge = adapter.merges ? dtype : null;
  const request = { base, adapter: folder, inputs: batch, merge, again, attention };
  const theirs = await python.ask<Applied>("apply_adapter", request);
  const { differences, problems } = agree(adapter, trial, ours, unpack(theirs.tensors));
  const found = [...complaints(theirs, adapter.method.warnings), ...problems];
  return { differences, problems: [...found, ...(await savedAgain(python, adapter, folder, again, dtype))] };
}

/** Returns PEFT's messages about a file that it loaded, without expected warnings. */
export function complaints({ missing, unexpected, warnings }: Applied, expected: readonly RegExp[] = []): string[] {
  const unusual = warnings.filter((text) => !expected.some((pattern) => pattern.test(text)));
  return Object.entries({ missing, unexpected, warnings: unusual }).flatMap(([kind, list]) =>
    list.map((what) => `PEFT's ${kind}: ${what}`),
  );
}

/** Creates, trains and saves an adapter in PEFT, loads it in Lowrank and trains it further. */
export async function theirsInLowrank(adapter: AdapterCase, trial: Trial): Promise<Findings> {
  const { python, base, batch, dtype = "float32" } = trial;
  const folder = join(trial.folder, "theirs");
  const { allocates = false } = adapter.method;
  const final = adapter.method.final?.(adapter.options) ?? false;
  const request = { base, config: peftConfig(adapter), seed: 1, inputs: batch, steps, lr, adapter: folder };
  const { attention } = adapter.method;
  const { reloads = false } = adapter.method;
  const training = { merge: adapter.merges ? dtype : null, allocates, trains: !final, attention, reloads };
  type Trained = { tensors: PackedTensors; counts: Counts };
  const theirs = await python.ask<Trained>("train_adapter", { ...request, ...training });

  const inputs = asTensors(batch);
  const peft = await PeftModel.fromPretrained(await load(base, adapter), folder, { isTrainable: !final, ...quiet });
  const again = join(trial.folder, "theirs-again");
  await peft.savePretrained(again);
  const ours = await measure(peft, inputs, !final);
  if (adapter.merges) {
    const merged = await PeftModel.fromPretrained(await load(base, adapter), folder, quiet);
    ours.set("merged_logits", await logitsOf(await merged.mergeAndUnload(), inputs));
  }
  if (!final) ours.set("losses", await train(peft, inputs, { steps, lr }));
  const { differences, problems } = agree(adapter, trial, ours, unpack(theirs.tensors));
  const counted = await countProblems(adapter, trial, theirs.counts);
  return {
    differences,
    problems: [...problems, ...counted, ...(await savedAgain(python, adapter, folder, again, dtype))],
  };
}
