import { add, affine, mul, reshape, scope, slice, type Tensor, tanh } from "@lowrank/core";
import { Module, ModuleList, type UnaryModule, type VirtualTokens } from "@lowrank/nn";
import { rmsNorms } from "../../layers/rmsNorms.ts";
import { type Architecture, defineArchitecture } from "../../model/architecture.ts";
import { CausalLM, type ModelInputs } from "../../model/causalLM.ts";
import { outputLayer, ParameterPath, type ParameterSource } from "../../model/parameters.ts";
import { PromptedBatch } from "../../model/promptedBatch.ts";
import { forgets, runBlocks, type WantedRows } from "../../model/runBlocks.ts";
import type { ModelSizes } from "../../model/transformerModel.ts";
import { RotaryEmbedding } from "../../rope/rope.ts";
import { decoderSizes, llamaTargets } from "../llama/model.ts";
import { type Gemma4TextConfig, gemma4ToHf, readGemma4Config } from "./config.ts";
import { Gemma4DecoderLayer, keySources } from "./parts.ts";

// B batch, T tokens, D hidden size, L layers, P width of the per-layer embeddings.

class Gemma4TextModel extends Module {
  embed_tokens: UnaryModule;
  layers: ModuleList<Gemma4DecoderLayer>;
  norm: UnaryModule;
  /**
   * The per-layer token embeddings of all L layers, concatenated: [vocabulary, L * P], where P is the width for one
   * layer. Null if the model has none.
   */
  embed_tokens_per_layer: UnaryModule | null;
  per_layer_model_projection: UnaryModule | null;
  per_layer_projection_norm: UnaryModule | null;
  readonly #config: Gemma4TextConfig;
  readonly #rotary: { readonly full_attention: RotaryEmbedding; readonly sliding_attention: RotaryEmbedding };

  constructor(config: Gemma4TextConfig, source: ParameterSource) {
    super();
    const path = new ParameterPath(source, "model");
    const { vocabSize, hiddenSize, padTokenId, numHiddenLayers, rmsNormEps } = config;
    const { hiddenSizePerLayerInput: own, vocabSizePerLayerInput } = config;
    const all = numHiddenLayers * own;
    this.embed_tokens = path.embedding("embed_tokens", vocabSize, hiddenSize, padTokenId);
    const indices = Array.from({ length: numHiddenLayers }, (_, i) => i);
    this.layers = new ModuleList(indices.map((i) => new Gemma4DecoderLayer(path.at(`layers.${i}`), config, i)));
    this.norm = rmsNorms(rmsNormEps)(path.at("norm"), hiddenSize);
    const has = own > 0;
    this.embed_tokens_per_layer = has
      ? path.embedding("embed_tokens_per_layer", vocabSizePerLayerInput, all, padTokenId)
      : null;
    this.per_layer_model_projection = has ? path.linear("per_layer_model_projection", hiddenSize, all, false) : null;
    this.per_layer_projection_norm = has ? rmsNorms(rmsNormEps)(path.at("per_layer_projection_norm"), own) : null;
    this.#config = config;
    const { rope, localRope, globalHeads, headDim, maxPositionEmbeddings } = config;
    this.#rotary = {
      full_attention: new RotaryEmbedding(rope, globalHeads.headDim, maxPositionEmbeddings),
      sliding_attention: new RotaryEmbedding(localRope, headDim, maxPositionEmbeddings),
    };
  }

  forward(inputs: ModelInputs, virtualTokens: VirtualTokens | null, checkpointing: boolean, wanted: WantedRows) {
    return scope(() => {
      const { inputIds, cache } = inputs;
      const { hiddenSize, layerTypes, hiddenSizePerLayerInput: own } = this.#config;
      const batch = new PromptedBatch(inputs, virtualTokens, { causal: true });
      const x = batch.embed(mul(this.embed_tokens.forward(inputIds), Math.fround(hiddenSize ** 0.5)));
      const T = x.shape[1];
      const sources = keySources(this.#config);
      const carried = own > 0 ? [this.#ownEmbeddings(inputIds, x)] : [];
      // `carried` next has the keys and values of the layers that later layers reuse, one pair per layer in layer
      // order.
      const givers = layerTypes.flatMap((_, layer): (number | null)[] => (sources.includes(layer) ? [layer] : []));
      const first = carried.length;
      const forget = forgets(this, checkpointing, cache);
      const hidden = runBlocks(this.layers, x, batch, { forget, wanted, carried }, (attend) => {
        const positions = batch.positions();
        const turn = (rotary: RotaryEmbedding) => rotary.at(T, batch.offset, positions, cache?.holdsSeveral);
        const { full_attention, sliding_attention } = this.#rotary;
        const turns = { full_attention: turn(full_attention), sliding_attention: turn(sliding_attention) };
        return (block, h, layer, rows, carried) => {
          const source = sources[layer];
          const at = first + 2 * givers.indexOf(source);
          const made = block.forward(h, layer, {
            attend,
            rotate: turns[layerTypes[layer]],
            perLayer: own > 0 ? slice(carried[0], { dim: 2, start: layer * own, end: (layer + 1) * own }) : null,
            shared: source === null ? null : { layer: source, keys: carried[at], values: carried[at + 1] },
            wanted: rows,
          });
          return givers.includes(layer) ? made : made[0];
        };
      });
      cache?.advance(T);
      return this.norm.forward(hidden);
    });
  }

  /**
   * Returns the per-layer embeddings [B, T, L * P] of all L layers. They are computed from the token ids and the token
   * embeddings x [B, T, D].
   */
  #ownEmbeddings(inputIds: Tensor, x: Tensor): Tensor {
    const { hiddenSize, hiddenSizePerLayerInput: own } = this.#config;
    const found = mul(this.embed_tokens_per_layer!.forward(inputIds), Math.fround(own ** 0.5));
    const [B, T, all] = found.shape;
    const projected = mul(this.per_layer_model_projection!.forward(x), hiddenSize ** -0.5);
    const normed = this.per_layer_projection_norm!.forward(reshape(projected, [B, T, -1, own]));
    return mul(add(reshape(normed, [B, T, all]), found), 2 ** -0.5);
  }
}

function sizesOf(config: Gemma4TextConfig): ModelSizes {
  const { attentionSizes, ...sizes } = decoderSizes(config);
  const { globalHeads, layerTypes } = config;
  const sources = keySources(config);
  const perLayer = layerTypes.map((type, layer) => {
    const { headDim, numKeyValueHeads } = type === "full_attention" ? globalHeads : config;
    return { headDim, keyValueHeads: sources[layer] === null ? numKeyValueHeads : 0 };
  });
  return { ...sizes, attentionSizes: { ...attentionSizes, perLayer } };
}

/** Gemma 4 with a language-model head, like transformers' Gemma4ForCausalLM. */
class Gemma4ForCausalLM extends CausalLM {
  readonly config: Gemma4TextConfig;
  model: Gemma4TextModel;
  lm_head: UnaryModule;

  constructor(config: Gemma4TextConfig, source: ParameterSource) {
    super(sizesOf(config));
    this.config = config;
    this.model = new Gemma4TextModel(config, source);
    this.lm_head = outputLayer(source, this.model.embed_tokens, config.tieWordEmbeddings);
  }

  get needsTokenIds(): boolean {
    return this.config.hiddenSizePerLayerInput > 0;
  }

  hidden(inputs: ModelInputs, wanted: WantedRows = "all"): Tensor {
    return this.model.forward(inputs, this.virtualTokens, this.gradientCheckpointing, wanted);
  }

  override get shapesLogits(): boolean {
    return this.config.finalLogitSoftcapping !== null;
  }

  override logitsOf(hidden: Tensor): Tensor {
    const { finalLogitSoftcapping: cap } = this.config;
    const made = super.logitsOf(hidden);
    return cap === null ? made : affine(tanh(affine(made, { scale: 1 / cap })), { scale: cap });
  }
}

/**
 * Returns null for the key and value weights of layers that reuse the keys and values of another layer. Checkpoints
 * store these weights, but the model does not use them. Returns every other name unchanged.
 */
function sanitize(name: string, config: Gemma4TextConfig): string | null {
  const layer = /\blayers\.(\d+)\.self_attn\.[kv]_(proj|norm)\./.exec(name)?.[1];
  const isShared = typeof keySources(config)[Number(layer)] === "number";
  return isShared ? null : name;
}

/**
 * Gemma 4 text model: two head sizes, per-layer token embeddings, last layers that reuse keys and values of earlier
 * ones, and in some models experts in parallel with the MLP.
 */
export const gemma4Text: Architecture<Gemma4TextConfig> = defineArchitecture({
  modelType: "gemma4_text",
  readConfig: readGemma4Config,
  writeConfig: gemma4ToHf,
  heads: {
    causalLM: {
      className: "Gemma4ForCausalLM",
      module: "lm_head",
      create: (config, source) => new Gemma4ForCausalLM(config, source),
    },
  },
  stack: "model",
  sanitize,
  gguf: async () => (await import("./gguf.ts")).gemma4Form,
  defaultTargets: llamaTargets,
});
