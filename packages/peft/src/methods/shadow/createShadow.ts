import { arange, copyInto, eq, noGrad, OptionError, randn, scope, type Tensor, to, where } from "@lowrank/core";
import {
  type DecoderBuilder,
  Dropout,
  type Embedding,
  Linear,
  type Module,
  Parameter,
  type SecondDecoder,
  type SecondDecoderRequest,
} from "@lowrank/nn";
import { blockList, blocksOf } from "../../targets/blocks.ts";
import { inputEmbedding } from "../../targets/embeddings.ts";
import { drawn, draws } from "../shared/draws.ts";
import type { SharedContext, SharedTensors } from "../shared/method.ts";
import type { ShadowCheckpoint } from "./shadowCheckpoint.ts";
import type { ShadowConfig } from "./shadowConfig.ts";
import { type ShadowedModel, ShadowNetwork } from "./shadowNetwork.ts";

/** Returns the name in the model for a key in files, which contain "default" for every adapter's name. */
export function withoutName(key: string): string {
  return key.replace(".default", "");
}

/** Model types whose files here have one tensor for each expert, while PEFT has one for all. */
const fused = ["mixtral", "qwen2_moe"];

/** Returns the model's own size of hidden states. Throws unless the model is a decoder with a second one. */
function checkModel(model: Module): ShadowedModel {
  const { secondDecoder, hidden } = model as DecoderBuilder & { hidden?: unknown };
  if (typeof secondDecoder === "function" && typeof hidden === "function" && blockList(model)) {
    return model as unknown as ShadowedModel;
  }
  throw new Error(
    `Shadow needs a decoder that was built from its config, such as those of loadModel; this is a ${model.constructor.name}`,
  );
}

/** Throws unless the adapted blocks are consecutive. Returns their paths in order. */
function consecutive(model: Module, found: readonly string[]): readonly string[] {
  const all = blocksOf(model);
  const first = all.indexOf(found[0]);
  const gap = found.findIndex((path, i) => path !== all[first + i]);
  if (gap < 0) return found;
  throw new OptionError(
    "ShadowConfig",
    "targetModules",
    found,
    `selects ${found[gap - 1]} and ${found[gap]}, and not the blocks between them; select consecutive blocks`,
  );
}

/** Builds the second decoder with its projection and head, and the object that runs it before the model. */
export async function createShadow(context: SharedContext<ShadowConfig>): Promise<SharedTensors> {
  const { config, backend, generator, loading, layers } = context;
  const model = checkModel(context.model);
  const order = consecutive(
    model,
    layers.map(({ path }) => path),
  );
  const width = model.attentionSizes.hiddenSize;
  const parameters: Record<string, Parameter> = {};
  const own = generator.fork("shadow_backbone");
  const sharesSize = (config.shadowHiddenSize ?? width) === width;
  const shares = config.shareEmbeddings && config.shadowModel === "mirror" && sharesSize;
  const parameter: SecondDecoderRequest["parameter"] = (name, shape, start) => {
    if (shares && name.endsWith(".embed_tokens.weight")) return inputEmbedding(model)![1].weight;
    if (loading) return drawn(draws(context).zero, shape);
    const { constant } = draws(context);
    return drawn(
      "std" in start ? () => randn(shape, { generator: own, std: start.std, backend }) : constant(start.value),
      shape,
    );
  };
  const checkpoint = config.shadowModel === "mirror" ? null : await openShadow(config);
  const decoder = await build(model, config, checkpoint, shares, parameter);
  const size = decoder.model.attentionSizes.hiddenSize;
  const [embedding, { weight: table, paddingIdx }] = inputEmbedding(decoder.model) as [string, Embedding];
  if (paddingIdx !== null && !shares) clearRow(table, paddingIdx);
  const inDecoder = (path: string) => `shadow_backbone.default.${path.slice(decoder.stack.length + 1)}`;
  for (const [path, value] of decoder.model.namedParameters()) {
    if (!path.startsWith(`${decoder.stack}.`)) continue;
    // As in PEFT, the file has a second table unless the embedding is named embed_tokens. It is not used.
    if (shares && value === table && embedding.endsWith(".embed_tokens")) continue;
    parameters[inDecoder(path)] = value;
  }
  const buffers = Object.fromEntries(
    [...decoder.model.namedBuffers()].map(([path, value]) => [inDecoder(path), value]),
  );
  const dropouts = [...decoder.model.namedModules()].filter(([, module]) => module instanceof Dropout);
  const modules = Object.fromEntries(dropouts.map(([path, module]) => [withoutName(inDecoder(path)), module]));
  const reads = !loading && !backend.dataless;
  if (reads) await checkpoint?.read(decoder);
  const projection = await projectionOf(context, checkpoint, size, width);
  if (projection) parameters["shadow_projection.default.weight"] = projection;
  const head = config.taskType === "SEQ_CLS" ? headCopy(model) : null;
  for (const [name, value] of Object.entries(head ?? {})) parameters[`shadow_head.default.${name}`] = value;
  const hook = new ShadowNetwork({
    caches: await import("./cacheOfBoth.ts"),
    config,
    model,
    decoder,
    embedding: shares ? embedding : null,
    projection,
    head,
    order,
  });
  const paths = Object.fromEntries(Object.keys(parameters).map((key) => [key, withoutName(key)]));
  return {
    parameters,
    buffers,
    savesBuffers: true,
    modules,
    paths,
    hook,
    order,
    width,
    frozen: checkpoint ? [table] : [],
  };
}

/** Sets the row of the padding token to zero, as transformers does in new embeddings. */
function clearRow(table: Parameter, row: number): void {
  const { backend } = table.storage;
  noGrad(() =>
    scope(() => {
      const isRow = eq(arange(0, table.shape[0], { dtype: "i32", backend }), row).reshape([-1, 1]);
      copyInto(table, where(isRow, 0, table));
    }),
  );
}

async function openShadow({ shadowModel }: ShadowConfig): Promise<ShadowCheckpoint> {
  return (await import("./shadowCheckpoint.ts")).openCheckpoint(shadowModel);
}

/** Builds the mirror, or the decoder of a checkpoint with zeros. */
async function build(
  model: ShadowedModel,
  config: ShadowConfig,
  checkpoint: ShadowCheckpoint | null,
  shares: boolean,
  parameter: SecondDecoderRequest["parameter"],
): Promise<SecondDecoder> {
  if (checkpoint) return model.secondDecoder({ config: checkpoint.config, parameter });
  const { modelType = "" } = (model as { config?: { modelType?: string } }).config ?? {};
  const readsIds = shares && (model as { needsTokenIds?: boolean }).needsTokenIds;
  if (fused.includes(modelType) || readsIds) {
    const reason = fused.includes(modelType)
      ? "PEFT's files store all experts of a mirror in one tensor; give the folder of a checkpoint"
      : "its layers look up token ids, which PEFT's mirror with the model's embeddings does not have; set shareEmbeddings to false";
    throw new OptionError("ShadowConfig", "shadowModel", "mirror", (named) => {
      return `${named("shadowModel", "mirror")} is not supported for a ${modelType} model, since ${reason}`;
    });
  }
  return model.secondDecoder({
    layers: config.shadowNumHiddenLayers || 1,
    hiddenSize: config.shadowHiddenSize,
    intermediateSize: config.shadowIntermediateSize,
    attentionHeads: config.shadowNumAttentionHeads,
    parameter,
  });
}

/** Returns the projection [width, size] of the second decoder's hidden states; null if the sizes are equal. */
async function projectionOf(
  context: SharedContext<ShadowConfig>,
  checkpoint: ShadowCheckpoint | null,
  size: number,
  width: number,
): Promise<Parameter | null> {
  const { zero, uniform } = draws(context);
  const shape = [width, size];
  if (!checkpoint?.hasProjection) {
    return size === width ? null : drawn(context.loading ? zero : uniform(1 / Math.sqrt(size)), shape);
  }
  const projection = drawn(zero, shape);
  if (!context.loading && !context.backend.dataless) await checkpoint.readProjection(projection);
  return projection;
}

/** Returns copies of the weight and bias of a classifier's head, or null without a head. */
function headCopy(model: Module): Record<string, Parameter> | null {
  const { score, classifier } = model as { score?: Module; classifier?: Module };
  const head = [score, classifier].map((one) => (one as { original_module?: Module })?.original_module ?? one);
  const found = head.find((one) => one instanceof Linear) as Linear | undefined;
  if (!found) return null;
  const copy = (value: Tensor) => {
    using data = scope(() => to(value.detach(), { dtype: "f32" }));
    return new Parameter(data);
  };
  return { weight: copy(found.weight), ...(found.bias && { bias: copy(found.bias) }) };
}
