import { copyInto, noGrad, type Tensor } from "@lowrank/core";
import { type ModelFiles, readJson } from "@lowrank/files";
import type { LabelledInputs } from "@lowrank/models";
import { getPeftModel, LoraConfig, type PeftModel, peftMethods } from "@lowrank/peft";
import { GoldenFile } from "@lowrank/test-support/golden";
import { type Check, equal, within } from "../check/compare.ts";
import { foldersIn, type GoldenPart } from "../check/goldenFiles.ts";
import { adamwLosses, labelledInputs, lossAndGradients, modelFiles, named, whyUnsupported } from "../models/models.ts";
import {
  type AdapterPlace,
  adapterFolder,
  adapterWeights,
  counts,
  type GoldenPeft,
  load,
  loadBase,
  logitsOf,
  logitTolerance,
  savedAgain,
  trainedByName,
} from "./adapterParts.ts";

/** Checks the adapters of adapters/ on the models of models/. */
export async function* adapters(files: ModelFiles): AsyncGenerator<GoldenPart> {
  for (const base of await foldersIn(files, "adapters")) {
    for (const method of await foldersIn(files, `adapters/${base}`)) {
      const name = `adapters/${base}/${method}`;
      yield { name, checks: () => named(name, checksOf({ files, base, method })) };
    }
  }
}

async function whySkipped(place: AdapterPlace): Promise<string | null> {
  const base = modelFiles(place.files, place.base);
  if (!(await base.has("config.json"))) return `there is no model ${place.base}`;
  const reason = await whyUnsupported(base);
  if (reason !== null) return reason;
  const folder = adapterFolder(place);
  if (await folder.has(adapterHubWeights)) return null;
  const { peft_type: type } = (await readJson(folder, "adapter_config.json")) as { peft_type: string };
  return Object.hasOwn(peftMethods, type) ? null : `the method ${type} is not supported yet`;
}

async function* checksOf(place: AdapterPlace): AsyncGenerator<Check> {
  const reason = await whySkipped(place);
  if (reason !== null) {
    yield { name: "", skipped: reason };
    return;
  }
  const folder = adapterFolder(place);
  const golden = await GoldenFile.of(folder, "golden.safetensors");
  if (await folder.has(adapterHubWeights)) yield* bottleneckChecks(place, golden);
  else if (golden.names("param.prompt_encoder.").length > 0) yield* promptChecks(place, golden);
  else yield* layerChecks(place, golden);
}

/** Methods that cannot be merged, each with the reason. */
const unmergeable: Readonly<Record<string, string>> = {
  ADAPTION_PROMPT: "attention to a prompt is no weight",
  POLY: "the update depends on the tasks of the rows",
  SHADOW: "the update depends on the hidden states of a second decoder",
  aLoRA: "the update depends on the tokens",
  LILY: "the update depends on the inputs",
  XLORA: "the experts are mixed for each token",
};

async function* layerChecks(place: AdapterPlace, golden: GoldenFile): AsyncGenerator<Check> {
  const inputs = await labelledInputs(golden);
  const peft = await load(place, true);

  yield* sameParameters(golden, trainedByName(peft));
  yield await fresh(place, peft, golden, inputs);
  yield within("logits", await logitsOf(peft, inputs), await golden.array("logits"), logitTolerance);
  yield* lossAndGradients(golden, peft, inputs, trainedByName(peft), "loss");
  yield await counts(place, peft);
  yield await savedAgain(await peft.adapterFiles(), adapterFolder(place), adapterWeights);
  if (golden.has("adamw_losses")) yield await adamwLosses(golden, peft, inputs, { lr: 5e-3, weightDecay: 0 });
  else yield { name: "adamw_losses", skipped: "none were recorded: AdaLoRA's ranks move" };

  const config = peft.peftConfig.get("default");
  const isAlora = config instanceof LoraConfig && config.aloraInvocationTokens;
  const why = unmergeable[isAlora ? "aLoRA" : (config?.peftType ?? "")];
  if (why !== undefined) {
    yield { name: "merged_logits", skipped: `none were recorded: ${why}` };
    return;
  }
  if (config?.peftType === "BEFT" && !golden.has("merged_logits")) {
    yield await refusedMerge(await load(place, false));
    return;
  }
  const merged = await (await load(place, false)).mergeAndUnload();
  const own = whyOwnMerge(place, golden);
  if (own !== null) yield { name: "merged_logits", skipped: `${own}; those before the merge are compared` };
  const expected = await golden.array(own === null ? "merged_logits" : "logits");
  yield within("logits after the merge", await logitsOf(merged, inputs), expected, logitTolerance);
}

/** Checks that an adapter that PEFT cannot merge into this base is not merged here either. */
async function refusedMerge(peft: PeftModel): Promise<Check> {
  const name = "merged_logits";
  try {
    await peft.mergeAndUnload();
  } catch (error) {
    const { message } = error as Error;
    if (message.includes("cannot be merged")) return { name, skipped: `none were recorded: ${message}` };
    throw error;
  }
  return { name, error: "the adapter was merged, which PEFT refuses" };
}

/** Returns the reason why a merge cannot be compared with PEFT's; null if it can. */
function whyOwnMerge({ base, method }: AdapterPlace, golden: GoldenFile): string | null {
  if (!golden.has("merged_logits")) return "PEFT merges no bias into a layer without one";
  // For a tied table PEFT's merge also changes the output layer.
  if (base === "gpt2" && method === "lora-embedding") return "PEFT merges a tied table into both of its users";
  return null;
}

/** Checks that every trained tensor equals the file's tensor to the bit. */
async function* sameParameters(golden: GoldenFile, parameters: ReadonlyMap<string, Tensor>): AsyncGenerator<Check> {
  for (const name of golden.names("param.")) {
    const parameter = parameters.get(name.slice("param.".length));
    if (parameter) yield equal(name, await parameter.data(), await golden.array(name));
    else yield { name, error: "nothing of this name trains" };
  }
}

/** Checks a fresh adapter of the same configuration: its logits must equal PEFT's, if those equal the base model's. */
async function fresh(
  place: AdapterPlace,
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
  const untrained = await getPeftModel(await loadBase(place), config, { onWarning: () => {} });
  return within(name, await logitsOf(untrained, inputs), expected, logitTolerance);
}

/** The name of the weights file in an AdapterHub folder. */
const adapterHubWeights = "adapter.safetensors";

/** Checks a golden bottleneck adapter of AdapterHub, under the name in its file. */
async function* bottleneckChecks(place: AdapterPlace, golden: GoldenFile): AsyncGenerator<Check> {
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

/** Sums in another order change the rows from an encoder, whose elements are about 1, by about 1e-7. */
const rowTolerance = 1e-6;

/**
 * Checks a golden prompt adapter: from its file, and again from the trained parameters, which files with encoders do
 * not contain. A fresh adapter is random, so it is not compared.
 */
async function* promptChecks(place: AdapterPlace, golden: GoldenFile): AsyncGenerator<Check> {
  const inputs = await labelledInputs(golden);
  yield { name: "init_logits", skipped: "PEFT's prompts start at random" };
  const loaded = await load(place, false);
  yield within("logits of the file", await logitsOf(loaded, inputs), await golden.array("logits"), logitTolerance);
  yield await savedAgain(await loaded.adapterFiles(), adapterFolder(place), adapterWeights);

  const peft = await getPeftModel(await loadBase(place), loaded.peftConfig.get("default")!, {
    onWarning: () => {},
  });
  const parameters = trainedByName(peft);
  // The frozen parameters of CPT are embeddings of the model, which a file contains with the trained changes added.
  if (loaded.peftConfig.get("default")?.peftType !== "CPT") copyFrozen(trainedByName(loaded), parameters);
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

/** Copies the prompt's parameters that are not trained, which are only in the file. */
function copyFrozen(from: ReadonlyMap<string, Tensor>, to: ReadonlyMap<string, Tensor>): void {
  for (const [name, parameter] of to) {
    if (!name.startsWith("prompt_encoder.") || parameter.requiresGrad) continue;
    noGrad(() => copyInto(parameter, from.get(name)!));
  }
}

/** Returns the rows that an adapter's file would contain. */
async function savedRows(peft: PeftModel): Promise<Float32Array> {
  return (await peft.adapterTensors().get("prompt_embeddings")!.data()) as Float32Array;
}
