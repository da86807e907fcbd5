import { backward, scope, slice, type Tensor, tensor } from "@lowrank/core";
import { filesIn, type ModelFiles, readJson } from "@lowrank/files";
import {
  architectures,
  type CausalLM,
  generate,
  type LabelledInputs,
  type LoadedModel,
  loadModel,
  loadSequenceClassifier,
  parseClassifierConfig,
  parseModelConfig,
} from "@lowrank/models";
import { classifiesSequences } from "@lowrank/models/internal";
import { AdamW } from "@lowrank/nn";
import { GoldenFile } from "@lowrank/test-support/golden";
import { type Check, equal, within, withinEach, withinOfLargest } from "../check/compare.ts";
import { foldersIn, type GoldenPart } from "../check/goldenFiles.ts";

/** Float32 sums in another order change logits by about 1e-6; 2e-5 allows for deeper models. */
const logitTolerance = 2e-5;
const gradientTolerance = 1e-4;
const gradientFloor = 1e-6;
const lossTolerance = 1e-5;

/** The folder of a golden model. */
export function modelFiles(files: ModelFiles, name: string): ModelFiles {
  return filesIn(files, `models/${name}`);
}

/** Checks the models of models/: logits, loss, every gradient, greedy tokens and training losses. */
export async function* models(files: ModelFiles): AsyncGenerator<GoldenPart> {
  for (const model of await foldersIn(files, "models")) {
    const name = `models/${model}`;
    yield { name, checks: () => named(name, checksOf(modelFiles(files, model))) };
  }
}

/** Prefixes the checks with a name. */
export async function* named(name: string, checks: AsyncIterable<Check>): AsyncGenerator<Check> {
  for await (const check of checks) yield { ...check, name: check.name === "" ? name : `${name} ${check.name}` };
}

async function* checksOf(files: ModelFiles): AsyncGenerator<Check> {
  const reason = await whyUnsupported(files);
  if (reason !== null) yield { name: "", skipped: reason };
  else if (await isClassifier(files)) yield* classifierChecks(files);
  else yield* modelChecks(files);
}

const configOf = async (files: ModelFiles) =>
  (await readJson(files, "config.json")) as { model_type: string; architectures?: string[] };

/** Returns the reason why a golden model cannot be loaded; null if its architecture and head are supported. */
export async function whyUnsupported(files: ModelFiles): Promise<string | null> {
  const { model_type: type, architectures: classes } = await configOf(files);
  const found = architectures().find(({ modelType }) => modelType === type);
  const className = String(classes?.[0]);
  const known = Object.values(found?.heads ?? {}).some((head) => head.className === className);
  return known ? null : `${className} is not supported yet`;
}

/** True if a folder contains a sequence classifier. */
export async function isClassifier(files: ModelFiles): Promise<boolean> {
  return classifiesSequences(await configOf(files), files.label);
}

async function* classifierChecks(files: ModelFiles): AsyncGenerator<Check> {
  const golden = await GoldenFile.of(files, "golden.safetensors");
  const { model, config } = await loadSequenceClassifier(files);
  const inputs = await labelledInputs(golden);
  yield await sameConfig(files, config, parseClassifierConfig);
  const out = scope(() => model.forward(inputs));
  yield within("logits", await out.logits.data(), await golden.array("logits"), logitTolerance);
  yield* lossAndGradients(golden, model, inputs, new Map(model.namedParameters()), "loss");
  yield await adamwLosses(golden, model, inputs, { lr: 1e-3, weightDecay: 0.01 });
}

/** Checks that config.v5.json gives the same configuration as config.json. */
async function sameConfig(files: ModelFiles, config: object, parse: (json: unknown) => object): Promise<Check> {
  if (!(await files.has("config.v5.json"))) return { name: "config.v5", skipped: "there is none" };
  const other = parse(await readJson(files, "config.v5.json"));
  const same = JSON.stringify(other) === JSON.stringify(config);
  return {
    name: "config.v5",
    ...(same ? {} : { error: `reads otherwise than config.json: ${JSON.stringify(other)}` }),
  };
}

async function* modelChecks(files: ModelFiles): AsyncGenerator<Check> {
  const golden = await GoldenFile.of(files, "golden.safetensors");
  const loaded = await loadModel(files);
  const { model, config } = loaded;
  const inputs = await labelledInputs(golden);

  yield await sameConfig(files, config, parseModelConfig);
  const out = scope(() => model.forward(inputs));
  yield within("logits", await out.logits.data(), await golden.array("logits"), logitTolerance);
  const { labels: _, attentionMask: __, ...bare } = inputs;
  const unmasked = scope(() => model.forward(bare));
  yield within("logits.nomask", await unmasked.logits.data(), await golden.array("logits.nomask"), logitTolerance);
  if (golden.has("logits.short")) yield await shortLogits(golden, model, inputs);
  yield* lossAndGradients(golden, model, inputs, new Map(model.namedParameters()), "loss");
  yield await greedy(golden, loaded);
  yield await adamwLosses(golden, model, inputs, { lr: 1e-3, weightDecay: 0.01 });
}

/** Checks the first tokens alone, since in some models the values depend on the length. */
async function shortLogits(golden: GoldenFile, model: CausalLM, { inputIds }: LabelledInputs): Promise<Check> {
  const [, length] = golden.shape("logits.short");
  const first = scope(() => model.forward({ inputIds: slice(inputIds, { dim: 1, end: length }) }));
  return within("logits.short", await first.logits.data(), await golden.array("logits.short"), logitTolerance);
}

/** Returns the batch in a golden file. */
export async function labelledInputs(golden: GoldenFile): Promise<LabelledInputs> {
  const [inputIds, attentionMask, labels] = await Promise.all(
    ["input_ids", "attention_mask", "labels"].map((name) => golden.tensor(name)),
  );
  const taskIds = golden.has("task_ids") ? { taskIds: [...(await golden.array("task_ids"))] } : {};
  return { inputIds, attentionMask: attentionMask.to("bool"), labels, ...taskIds, ...(await tokenTypes(golden)) };
}

/** Returns the types of tokens in a golden file; an empty object if it has none. */
async function tokenTypes(golden: GoldenFile): Promise<Pick<LabelledInputs, "inputTypeMask">> {
  if (!golden.has("input_type_mask")) return {};
  const types = await golden.array("input_type_mask");
  const [rows, length] = golden.shape("input_type_mask");
  return { inputTypeMask: Array.from({ length: rows }, (_, row) => types.slice(row * length, (row + 1) * length)) };
}

/** A model with a loss, adapted or not. */
export interface WithLoss {
  loss(inputs: LabelledInputs): Tensor;
  parameters(): Iterable<Tensor>;
}

/** Checks the loss, and the gradient of every tensor in the golden file. */
export async function* lossAndGradients(
  golden: GoldenFile,
  model: WithLoss,
  inputs: LabelledInputs,
  parameters: ReadonlyMap<string, Tensor>,
  lossName: string,
): AsyncGenerator<Check> {
  const loss = scope(() => {
    const value = model.loss(inputs);
    backward(value);
    return value.detach();
  });
  yield withinEach(lossName, await loss.data(), await golden.array("loss"), lossTolerance);
  for (const name of golden.names("grad.")) {
    const grad = parameters.get(name.slice("grad.".length))?.grad;
    if (!grad) yield { name, error: "no gradient arrived" };
    else yield withinOfLargest(name, await grad.data(), await golden.array(name), gradientTolerance, gradientFloor);
  }
  for (const parameter of model.parameters()) {
    parameter.grad?.dispose();
    parameter.grad = null;
  }
}

/** Checks the tokens after the first four of each row; transformers pads with the padding id after EOS. */
async function greedy(golden: GoldenFile, { model, config }: LoadedModel): Promise<Check> {
  const expected = await golden.array("greedy");
  const ids = await golden.array("input_ids");
  const [rows, length] = golden.shape("input_ids");
  const prompts = Array.from({ length: rows }, (_, row) => Array.from(ids.slice(row * length, row * length + 4)));
  const maxNewTokens = expected.length / rows;
  const tokens = await generate(model, prompts, {
    maxNewTokens,
    eosTokenIds: config.eosTokenIds,
    generationConfig: null,
  });
  const padded = tokens.flatMap((row) => [
    ...row,
    ...new Array<number>(maxNewTokens - row.length).fill(config.padTokenId ?? 0),
  ]);
  return equal("greedy", padded, expected);
}

/** Checks the losses of AdamW steps over all trainable parameters. */
export async function adamwLosses(
  golden: GoldenFile,
  model: WithLoss,
  inputs: LabelledInputs,
  options: { lr: number; weightDecay: number },
): Promise<Check> {
  const expected = await golden.array("adamw_losses");
  const trained = [...model.parameters()].filter((p) => p.requiresGrad);
  const optimizer = new AdamW(trained, options);
  const losses: number[] = [];
  while (losses.length < expected.length) {
    using loss = scope(() => {
      const value = model.loss(inputs);
      backward(value, tensor(1));
      return value.detach();
    });
    losses.push(await loss.item());
    optimizer.step();
    optimizer.zeroGrad();
  }
  return withinEach("adamw_losses", losses, expected, lossTolerance);
}
