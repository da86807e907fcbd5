import { copyInto, noGrad } from "@lowrank/core";
import { getPeftModel, type PeftModel } from "@lowrank/peft";
import type { GoldenFile } from "@lowrank/test-support/golden";
import { type Check, within } from "../check/compare.ts";
import { adamwLosses, labelledInputs, lossAndGradients } from "../models/models.ts";
import {
  type AdapterPlace,
  adapterFolder,
  adapterWeights,
  counts,
  load,
  loadBase,
  logitsOf,
  logitTolerance,
  savedAgain,
  trainedByName,
} from "./adapterParts.ts";

/** Sums in another order change the rows from an encoder, whose elements are about 1, by about 1e-7. */
const rowTolerance = 1e-6;

/**
 * Checks a golden prompt adapter: from its file, and again from the trained parameters, which files with encoders do
 * not contain. A fresh adapter is random, so it is not compared.
 */
export async function* promptChecks(place: AdapterPlace, golden: GoldenFile): AsyncGenerator<Check> {
  const inputs = await labelledInputs(golden);
  yield { name: "init_logits", skipped: "PEFT's prompts start at random" };
  const loaded = await load(place, false);
  yield within("logits of the file", await logitsOf(loaded, inputs), await golden.array("logits"), logitTolerance);
  yield await savedAgain(await loaded.adapterFiles(), adapterFolder(place), adapterWeights);

  const peft = await getPeftModel(await loadBase(place), loaded.peftConfig.get("default")!, {
    onWarning: () => {},
  });
  const parameters = trainedByName(peft);
  for (const name of golden.names("param.")) {
    using value = await golden.tensor(name);
    noGrad(() => copyInto(parameters.get(name.slice("param.".length))!, value));
  }
  yield within("logits", await logitsOf(peft, inputs), await golden.array("logits"), logitTolerance);
  yield* lossAndGradients(golden, peft, inputs, parameters, "loss");
  yield await counts(place, peft);
  yield within("rows", await savedRows(peft), await savedRows(loaded), rowTolerance);
  yield await adamwLosses(golden, peft, inputs, { lr: 5e-3, weightDecay: 0 });
}

/** Returns the rows that an adapter's file would contain. */
async function savedRows(peft: PeftModel): Promise<Float32Array> {
  return (await peft.adapterTensors().get("prompt_embeddings")!.data()) as Float32Array;
}
