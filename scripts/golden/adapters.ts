import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Tensor } from "@lowrank/core";
import type { LabelledInputs } from "@lowrank/models";
import { getPeftModel, peftMethods } from "@lowrank/peft";
import {
  type AdapterPlace,
  counts,
  type GoldenPeft,
  load,
  loadBase,
  logitsOf,
  logitTolerance,
  sameBytes,
  trainedByName,
} from "./adapterParts.ts";
import { adapterHubWeights, bottleneckChecks } from "./bottlenecks.ts";
import { type Check, equal, within } from "./compare.ts";
import { directories } from "./directories.ts";
import { GoldenFile } from "./goldenFile.ts";
import { adamwLosses, labelledInputs, lossAndGradients, whyUnsupported } from "./models.ts";
import { promptChecks } from "./prompts.ts";

/** The adapters of DIR/adapters, on the models of DIR/models. */
export async function* adapters(dir: string): AsyncGenerator<Check> {
  const root = join(dir, "adapters");
  if (!existsSync(root)) return;
  for (const base of directories(root)) {
    for (const method of directories(join(root, base))) {
      const name = `adapters/${base}/${method}`;
      const reason = whySkipped(join(dir, "models", base), join(root, base, method));
      if (reason !== null) {
        yield { name, skipped: reason };
        continue;
      }
      const files = { base: join(dir, "models", base), adapter: join(root, base, method) };
      for await (const check of checksOf(files)) yield { ...check, name: `${name} ${check.name}` };
    }
  }
}

function whySkipped(base: string, folder: string): string | null {
  if (!existsSync(base)) return `there is no model ${base}`;
  const reason = whyUnsupported(base);
  if (reason !== null) return reason;
  if (existsSync(join(folder, adapterHubWeights))) return null;
  const { peft_type: type } = JSON.parse(readFileSync(join(folder, "adapter_config.json"), "utf8"));
  return Object.hasOwn(peftMethods, type) ? null : `the method ${type} is not supported yet`;
}

async function* checksOf(files: AdapterPlace): AsyncGenerator<Check> {
  const golden = await GoldenFile.open(join(files.adapter, "golden.safetensors"));
  if (existsSync(join(files.adapter, adapterHubWeights))) yield* bottleneckChecks(files, golden);
  else if (golden.names("param.prompt_encoder.").length > 0) yield* promptChecks(files, golden);
  else yield* layerChecks(files, golden);
}

async function* layerChecks(files: AdapterPlace, golden: GoldenFile): AsyncGenerator<Check> {
  const inputs = await labelledInputs(golden);
  const peft = await load(files, true);

  yield* sameParameters(golden, trainedByName(peft));
  yield await fresh(files, peft, golden, inputs);
  yield within("logits", await logitsOf(peft, inputs), await golden.array("logits"), logitTolerance);
  yield* lossAndGradients(golden, peft, inputs, trainedByName(peft), "loss");
  yield counts(files, peft);
  yield sameBytes(await peft.adapterFiles(), files.adapter);
  if (golden.has("adamw_losses")) yield await adamwLosses(golden, peft, inputs, { lr: 5e-3, weightDecay: 0 });
  else yield { name: "adamw_losses", skipped: "none were recorded: AdaLoRA's ranks move" };

  if (peft.peftConfig.get("default")?.peftType === "ADAPTION_PROMPT") {
    yield { name: "merged_logits", skipped: "none were recorded: attention to a prompt is no weight" };
    return;
  }
  const merged = await (await load(files, false)).mergeAndUnload();
  const own = whyOwnMerge(files, golden);
  if (own !== null) yield { name: "merged_logits", skipped: `${own}; those before the merge are compared` };
  const expected = await golden.array(own === null ? "merged_logits" : "logits");
  yield within("logits after the merge", await logitsOf(merged, inputs), expected, logitTolerance);
}

/** Returns the reason why a merge cannot be compared with PEFT's; null if it can. */
function whyOwnMerge({ adapter }: AdapterPlace, golden: GoldenFile): string | null {
  if (!golden.has("merged_logits")) return "PEFT merges no bias into a layer without one";
  // A tied table: PEFT's merge changes the output layer too.
  if (adapter.endsWith(join("gpt2", "lora-embedding"))) return "PEFT merges a tied table into both of its users";
  return null;
}

/** Every trained tensor, as the file gave it: to the bit. */
async function* sameParameters(golden: GoldenFile, parameters: ReadonlyMap<string, Tensor>): AsyncGenerator<Check> {
  for (const name of golden.names("param.")) {
    const parameter = parameters.get(name.slice("param.".length));
    if (parameter) yield equal(name, await parameter.data(), await golden.array(name));
    else yield { name, error: "nothing of this name trains" };
  }
}

/**
 * A fresh adapter of the same configuration: the logits that PEFT's gave, where
 * they are the base model's.
 */
async function fresh(
  { base }: AdapterPlace,
  peft: GoldenPeft,
  golden: GoldenFile,
  inputs: LabelledInputs,
): Promise<Check> {
  const name = "init_logits";
  const expected = await golden.array(name);
  const unadapted = await peft.disableAdapter(() => logitsOf(peft, inputs));
  if (within(name, unadapted, expected, logitTolerance).error !== undefined) {
    return { name, skipped: "PEFT's adapter starts at random, not as a no-op" };
  }
  const config = peft.peftConfig.get("default")!;
  const untrained = await getPeftModel(await loadBase(base), config, { onWarning: () => {} });
  return within(name, await logitsOf(untrained, inputs), expected, logitTolerance);
}
