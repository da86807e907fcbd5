import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { matmul, type Tensor } from "@lowrank/core";
import { type CausalLM, type LabelledInputs, loadModel } from "@lowrank/models";
import { type CombinationType, getPeftModel, PeftModel, peftMethods } from "@lowrank/peft";
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

const directories = (folder: string): string[] =>
  readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .sort();

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

/**
 * Two LoRA adapters on one llama: each alone, neither, both by rows and combined, give the
 * logits that PEFT recorded.
 */
export async function* weighted(dir: string): AsyncGenerator<Check> {
  const folder = join(dir, "weighted");
  if (!existsSync(folder)) return;
  const golden = await GoldenFile.open(join(folder, "golden.safetensors"));
  const inputs = { inputIds: await golden.tensor("input_ids") };
  const { model } = await loadModel(join(dir, "models", "llama"));
  const peft = await PeftModel.fromPretrained(model, join(folder, "a"), { adapterName: "a" });
  await peft.loadAdapter(join(folder, "b"), "b");
  for (const name of golden.names("logits.")) {
    const adapter = name.slice("logits.".length);
    if (adapter === "base") {
      const logits = await peft.disableAdapter(() => logitsOf(peft, inputs));
      yield within(`weighted ${name}`, logits, await golden.array(name), logitTolerance);
      continue;
    }
    if (adapter === "mixed") {
      const logits = await peft.withAdapterNames(["a", "b"], () => logitsOf(peft, inputs));
      yield within(`weighted ${name}`, logits, await golden.array(name), logitTolerance);
      continue;
    }
    if (!["a", "b"].includes(adapter)) {
      const combinationType = adapter as CombinationType;
      await peft.addWeightedAdapter(["a", "b"], [0.7, 0.4], adapter, { combinationType, svdRank: 4, density: 0.5 });
      yield* combinedFactors(peft, golden, adapter);
    }
    peft.setAdapter(adapter);
    yield within(`weighted ${name}`, await logitsOf(peft, inputs), await golden.array(name), logitTolerance);
  }
}

/**
 * The recorded A and B of a combined adapter; of an SVD, which leaves signs open, their product.
 */
async function* combinedFactors(peft: PeftModel<CausalLM>, golden: GoldenFile, type: string): AsyncGenerator<Check> {
  const prefix = `param.${type}.`;
  const names = golden.names(prefix);
  const tensors = peft.adapterTensors(type);
  const own = names.map((name) => tensors.get(name.slice(prefix.length).replace(".c.", "."))!);
  if (!type.endsWith("svd")) {
    for (const [i, name] of names.entries()) {
      yield within(`weighted ${name}`, await own[i].data(), await golden.array(name), logitTolerance);
    }
    return;
  }
  const [a, b] = [await golden.tensor(names[0]), await golden.tensor(names[1])];
  const [product, expected] = [matmul(own[1], own[0]), matmul(b, a)];
  yield within(`weighted product of ${type}`, await product.data(), await expected.data(), logitTolerance);
}
