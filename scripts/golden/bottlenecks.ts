import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type AdapterPlace, counts, load, logitsOf, logitTolerance, sameBytes } from "./adapterParts.ts";
import { type Check, within } from "./compare.ts";
import type { GoldenFile } from "./goldenFile.ts";
import { labelledInputs, lossAndGradients } from "./models.ts";

/** The name of the weights in a folder of AdapterHub. */
export const adapterHubWeights = "adapter.safetensors";

/** A golden bottleneck adapter of AdapterHub, under the name that its file gives it. */
export async function* bottleneckChecks(files: AdapterPlace, golden: GoldenFile): AsyncGenerator<Check> {
  const inputs = await labelledInputs(golden);
  const peft = await load(files, true);
  yield within("logits", await logitsOf(peft, inputs), await golden.array("logits"), logitTolerance);
  yield* lossAndGradients(golden, peft, inputs, peft.adapterTensors(), "loss");
  yield counts(files, peft, "bottleneck.json");
  const saved = await peft.adapterFiles();
  yield sameBytes(saved, files.adapter, adapterHubWeights);
  const config = "adapter_config.json";
  const [ours, theirs] = [saved.get(config) as string, readFileSync(join(files.adapter, config), "utf8")].map((text) =>
    text.replace(/"adapters\.[0-9.]+"/, ""),
  );
  yield { name: `${config} saved again`, ...(ours === theirs ? {} : { error: `${ours} instead of ${theirs}` }) };
}
