import type { GoldenFile } from "@lowrank/test-support/golden";
import { type Check, within } from "../check/compare.ts";
import { labelledInputs, lossAndGradients } from "../models/models.ts";
import {
  type AdapterPlace,
  adapterFolder,
  counts,
  load,
  logitsOf,
  logitTolerance,
  savedAgain,
} from "./adapterParts.ts";

/** The name of the weights file in an AdapterHub folder. */
export const adapterHubWeights = "adapter.safetensors";

/** Checks a golden bottleneck adapter of AdapterHub, under the name in its file. */
export async function* bottleneckChecks(place: AdapterPlace, golden: GoldenFile): AsyncGenerator<Check> {
  const inputs = await labelledInputs(golden);
  const peft = await load(place, true);
  yield within("logits", await logitsOf(peft, inputs), await golden.array("logits"), logitTolerance);
  yield* lossAndGradients(golden, peft, inputs, peft.adapterTensors(), "loss");
  yield await counts(place, peft, "bottleneck.json");
  const saved = await peft.adapterFiles();
  const folder = adapterFolder(place);
  yield await savedAgain(saved, folder, adapterHubWeights);
  const config = "adapter_config.json";
  const [ours, theirs] = [saved.get(config) as string, await folder.readText(config)].map((text) =>
    text.replace(/"adapters\.[0-9.]+"/, ""),
  );
  yield { name: `${config} saved again`, ...(ours === theirs ? {} : { error: `${ours} instead of ${theirs}` }) };
}
