import { mul, scope, type Tensor } from "@lowrank/core";
import { type Attend, Module, ModuleList, Residual, type UnaryModule, type VirtualTokens } from "@lowrank/nn";
import { linearLayer } from "@lowrank/nn/internal";
import type { Activation } from "../../config/architectureConfig.ts";
import type { ClassifierHead } from "../../config/classifierHead.ts";
import { gatedUnit } from "../../layers/activation.ts";
import { lastTokenRows } from "../../layers/lastToken.ts";
import { rmsNorms } from "../../layers/rmsNorms.ts";
import { type Architecture, type ArchitectureHeads, defineArchitecture } from "../../model/architecture.ts";
import { CausalLM, type ModelInputs } from "../../model/causalLM.ts";
import { outputLayer, ParameterPath, type ParameterSource } from "../../model/parameters.ts";
import { PromptedBatch } from "../../model/promptedBatch.ts";
import { forgets, runBlocks, type WantedRows, wantedRows } from "../../model/runBlocks.ts";
import { type ClassifierInputs, SequenceClassifier } from "../../model/sequenceClassifier.ts";
import type { DefaultTargets, ModelSizes } from "../../model/transformerModel.ts";
import { RotaryEmbedding, ropePositions } from "../../rope/rope.ts";
import { ropeReach } from "../../rope/ropeConfig.ts";
import { type DecoderConfig, type LlamaConfig, llamaToHf, readLlamaConfig } from "./config.ts";
import { llamaPresets } from "./presets.ts";
import { RotaryAttention } from "./rotaryAttention.ts";
import type { DecoderLayer, LlamaTraits, Rotate } from "./traits.ts";

// B batch, T tokens, D hidden size, H heads, d head size.

/** Llama's attention: separate projections to queries, keys and values. */
export class LlamaAttention extends RotaryAttention {
  q_proj: UnaryModule;
  k_proj: UnaryModule;
  v_proj: UnaryModule;
  o_proj: UnaryModule;

  constructor(path: ParameterPath, config: DecoderConfig, traits: LlamaTraits) {
    super(path, config, traits);
    const { hiddenSize, numAttentionHeads, numKeyValueHeads, headDim } = config;
    const { qkvBias = false, outputBias = false } = traits;
    this.q_proj = path.linear("q_proj", hiddenSize, numAttentionHeads * headDim, qkvBias);
    this.k_proj = path.linear("k_proj", hiddenSize, numKeyValueHeads * headDim, qkvBias);
    this.v_proj = path.linear("v_proj", hiddenSize, numKeyValueHeads * headDim, qkvBias);
    this.o_proj = path.linear("o_proj", numAttentionHeads * headDim, hiddenSize, outputBias);
  }

  protected output(attended: Tensor): Tensor {
    return this.o_proj.forward(attended);
  }

  protected project(x: Tensor): [Tensor, Tensor, Tensor] {
    const [q, k, v] = [this.q_proj, this.k_proj, this.v_proj].map((projection) => this.heads(projection.forward(x)));
    return [q, k, v];
  }
}

/** The sizes and the activation of an MLP. */
interface MLPSizes {
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly hiddenAct: Activation;
}

/** Llama's gated MLP: down_proj(act(gate_proj(x)) * up_proj(x)). */
export class LlamaMLP extends Module {
  gate_proj: UnaryModule;
  up_proj: UnaryModule;
  down_proj: UnaryModule;
  readonly #activation: Activation;

  constructor(path: ParameterPath, sizes: MLPSizes, { mlpBias = false }: Pick<LlamaTraits, "mlpBias"> = {}) {
    super();
    const { hiddenSize, intermediateSize, hiddenAct } = sizes;
    this.#activation = hiddenAct;
    this.gate_proj = path.linear("gate_proj", hiddenSize, intermediateSize, mlpBias);
    this.up_proj = path.linear("up_proj", hiddenSize, intermediateSize, mlpBias);
    this.down_proj = path.linear("down_proj", intermediateSize, hiddenSize, mlpBias);
  }

  forward(x: Tensor): Tensor {
    const gate = this.gate_proj.forward(x);
    const up = this.up_proj.forward(x);
    return this.down_proj.forward(gatedUnit(this.#activation, gate, up));
  }
}

/** Makes the attention and the MLP of a block. They are Llama's unless `traits` specifies others. */
export function subLayers(
  path: ParameterPath,
  config: DecoderConfig,
  traits: LlamaTraits,
  layer: number,
): { attention: RotaryAttention; mlp: UnaryModule } {
  const [at, below] = [path.at("self_attn"), path.at("mlp")];
  return {
    attention: traits.attention?.(at, config, traits, layer) ?? new LlamaAttention(at, config, traits),
    mlp: traits.mlp?.(below, config, traits, layer) ?? new LlamaMLP(below, config, traits),
  };
}

class LlamaDecoderLayer extends Module implements DecoderLayer {
  self_attn: RotaryAttention;
  mlp: UnaryModule;
  input_layernorm: UnaryModule;
  post_attention_layernorm: UnaryModule;
  attention_residual: Residual;
  mlp_residual: Residual;
  readonly #scale: number;

  constructor(path: ParameterPath, config: DecoderConfig, traits: LlamaTraits, layer: number) {
    super();
    const { attention, mlp } = subLayers(path, config, traits, layer);
    this.self_attn = attention;
    this.mlp = mlp;
    this.input_layernorm = traits.norm(path.at("input_layernorm"), config.hiddenSize);
    this.post_attention_layernorm = traits.norm(path.at("post_attention_layernorm"), config.hiddenSize);
    this.attention_residual = new Residual();
    this.mlp_residual = new Residual();
    this.#scale = traits.residualScale ?? 1;
  }

  forward(x: Tensor, layer: number, attend: Attend, rotate: Rotate, wanted: WantedRows): Tensor {
    return scope(() => {
      const attended = this.self_attn.forward(this.input_layernorm.forward(x), layer, attend, rotate);
      const h = wantedRows(this.attention_residual.forward(scaled(attended, this.#scale), x), wanted);
      const made = this.mlp.forward(this.post_attention_layernorm.forward(h));
      return this.mlp_residual.forward(scaled(made, this.#scale), h);
    });
  }
}

/** Multiplies x by a factor; returns x itself for the factor 1. */
function scaled(x: Tensor, factor: number): Tensor {
  return factor === 1 ? x : mul(x, factor);
}

class LlamaModel extends Module {
  embed_tokens: UnaryModule;
  layers: ModuleList<DecoderLayer>;
  norm: UnaryModule;
  readonly #embeddingScale: number;
  readonly #inputScale: number;
  /**
   * The rotary embedding of each layer; null for a layer without one. Layers with the same rotary config share one
   * object.
   */
  readonly #rotary: readonly (RotaryEmbedding | null)[];

  constructor(config: DecoderConfig, source: ParameterSource, traits: LlamaTraits) {
    super();
    const path = new ParameterPath(source, "model");
    const { vocabSize, hiddenSize, padTokenId, numHiddenLayers, headDim } = config;
    this.embed_tokens = path.embedding("embed_tokens", vocabSize, hiddenSize, padTokenId);
    const indices = Array.from({ length: numHiddenLayers }, (_, i) => i);
    const layer = traits.layer ?? ((...part) => new LlamaDecoderLayer(...part));
    this.layers = new ModuleList(indices.map((i) => layer(path.at(`layers.${i}`), config, traits, i)));
    this.norm = traits.norm(path.at("norm"), hiddenSize);
    this.#embeddingScale = traits.embeddingScale ?? 1;
    this.#inputScale = traits.inputScale ?? 1;
    const ropes = indices.map((i) => (traits.ropeOf ? traits.ropeOf(i) : config.rope));
    const shared = new Map(
      ropes.map((rope) => [rope, rope && new RotaryEmbedding(rope, headDim, config.maxPositionEmbeddings)]),
    );
    this.#rotary = ropes.map((rope) => shared.get(rope) ?? null);
  }

  forward(
    inputs: ModelInputs,
    virtualTokens: VirtualTokens | null,
    checkpointing: boolean,
    wanted: WantedRows,
  ): Tensor {
    return scope(() => {
      const { inputIds, cache } = inputs;
      const batch = new PromptedBatch(inputs, virtualTokens, { causal: true });
      const tokens = scaled(this.embed_tokens.forward(inputIds), this.#embeddingScale);
      const x = scaled(batch.embed(tokens), this.#inputScale);
      const T = x.shape[1];
      const forget = forgets(this, checkpointing, cache);
      const hidden = runBlocks(this.layers, x, batch, { forget, wanted }, (attend) => {
        const positions = batch.positions();
        const turns = new Map(
          this.#rotary.map((one) => [one, one?.at(T, batch.offset, positions, cache?.holdsSeveral)]),
        );
        return (block, h, layer, rows) => {
          return block.forward(h, layer, attend, turns.get(this.#rotary[layer]) ?? asIs, rows);
        };
      });
      cache?.advance(T);
      return this.norm.forward(hidden);
    });
  }
}

const asIs: Rotate = (x) => x;

/** Returns the sizes of a Llama-style decoder. */
export function decoderSizes(config: DecoderConfig): ModelSizes {
  const { vocabSize, maxPositionEmbeddings, hiddenSize, headDim, rope } = config;
  const { numHiddenLayers: layers, numAttentionHeads, numKeyValueHeads } = config;
  const attention = { attentionHeads: numAttentionHeads, keyValueHeads: numKeyValueHeads, headDim };
  const maxPositions = ropeReach(rope, maxPositionEmbeddings);
  return {
    vocabSize,
    maxPositions,
    ...ropePositions(rope, maxPositions),
    attentionSizes: { hiddenSize, layers, ...attention },
  };
}

/** A Llama-style decoder with a language-model head. `traits` specify how it differs from Llama. */
class LlamaKinForCausalLM<C extends DecoderConfig> extends CausalLM {
  readonly config: C;
  model: LlamaModel;
  lm_head: UnaryModule;
  readonly #traits: LlamaTraits;

  constructor(config: C, source: ParameterSource, traits: LlamaTraits) {
    super(decoderSizes(config));
    this.config = config;
    this.model = new LlamaModel(config, source, traits);
    this.lm_head = outputLayer(source, this.model.embed_tokens, config.tieWordEmbeddings);
    this.#traits = traits;
  }

  hidden(inputs: ModelInputs, wanted: WantedRows = "all"): Tensor {
    return this.model.forward(inputs, this.virtualTokens, this.gradientCheckpointing, wanted);
  }

  override get shapesLogits(): boolean {
    return this.#traits.logits !== undefined;
  }

  override logitsOf(hidden: Tensor): Tensor {
    const made = super.logitsOf(hidden);
    return this.#traits.logits?.(made) ?? made;
  }
}

/** A Llama-style decoder that classifies sequences by the hidden state of each sequence's last non-padding token. */
class LlamaKinForSequenceClassification<C extends DecoderConfig> extends SequenceClassifier {
  readonly config: C & ClassifierHead;
  model: LlamaModel;
  score: UnaryModule;

  constructor(config: C & ClassifierHead, source: ParameterSource, traits: LlamaTraits) {
    super(decoderSizes(config));
    this.config = config;
    this.model = new LlamaModel(config, source, traits);
    this.score = linearLayer(source("score.weight", [config.labels.length, config.hiddenSize], { std: 0.02 }));
  }

  hidden(inputs: ClassifierInputs): Tensor {
    return this.model.forward(inputs, this.virtualTokens, this.gradientCheckpointing, "all");
  }

  logits(inputs: ClassifierInputs): Tensor {
    const hidden = this.hidden(inputs);
    const { modelType, padTokenId } = this.config;
    return this.score.forward(lastTokenRows(hidden, inputs.inputIds, padTokenId, modelType));
  }

  get logitsLayer(): Module {
    return this.score;
  }
}

/**
 * Returns the supported heads of a Llama-style architecture. `name` is the prefix of transformers' class names, as in
 * `${name}ForCausalLM`.
 */
export function llamaFamilyHeads<C extends DecoderConfig>(
  name: string,
  traits: (config: C) => LlamaTraits,
): ArchitectureHeads<C> {
  return {
    causalLM: {
      className: `${name}ForCausalLM`,
      module: "lm_head",
      create: (config, source) => new LlamaKinForCausalLM(config, source, traits(config)),
    },
    sequenceClassification: {
      className: `${name}ForSequenceClassification`,
      module: "score",
      create: (config, source) => new LlamaKinForSequenceClassification(config, source, traits(config)),
    },
  };
}

function llamaTraits({ attentionBias, mlpBias, rmsNormEps }: LlamaConfig): LlamaTraits {
  return { norm: rmsNorms(rmsNormEps), qkvBias: attentionBias, outputBias: attentionBias, mlpBias };
}

/** Llama with a language-model head, like transformers' LlamaForCausalLM. Touvron et al. 2023, arXiv:2302.13971. */
export class LlamaForCausalLM extends LlamaKinForCausalLM<LlamaConfig> {
  constructor(config: LlamaConfig, source: ParameterSource) {
    super(config, source, llamaTraits(config));
  }
}

/** Llama that classifies sequences, like transformers' LlamaForSequenceClassification. */
export class LlamaForSequenceClassification extends LlamaKinForSequenceClassification<LlamaConfig> {
  constructor(config: LlamaConfig & ClassifierHead, source: ParameterSource) {
    super(config, source, llamaTraits(config));
  }
}

/**
 * Returns null for rotary frequencies. Old checkpoints store them, but the model computes them from the config. Returns
 * every other name unchanged.
 */
export function withoutFrequencies(name: string): string | null {
  return name.endsWith(".rotary_emb.inv_freq") ? null : name;
}

/** The default target layers of adapters in a Llama model. */
export const llamaTargets: DefaultTargets = {
  linear: ["q_proj", "v_proj"],
  norm: ["input_layernorm", "post_attention_layernorm", "norm"],
  attention: ["self_attn"],
};

/** The architecture of Llama. */
export const llama: Architecture<LlamaConfig> = defineArchitecture({
  modelType: "llama",
  readConfig: readLlamaConfig,
  writeConfig: llamaToHf,
  heads: {
    causalLM: {
      className: "LlamaForCausalLM",
      module: "lm_head",
      create: (config, source) => new LlamaForCausalLM(config, source),
    },
    sequenceClassification: {
      className: "LlamaForSequenceClassification",
      module: "score",
      create: (config, source) => new LlamaForSequenceClassification(config, source),
    },
  },
  stack: "model",
  sanitize: withoutFrequencies,
  gguf: async () => (await import("./gguf.ts")).llamaForm(llamaTraits),
  defaultTargets: llamaTargets,
  presets: llamaPresets,
});
