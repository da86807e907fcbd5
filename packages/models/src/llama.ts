import { reshape, scope, type Tensor } from "@lowrank/core";
import {
  type Attend,
  AttentionLayer,
  type Dropout,
  linearLayer,
  Module,
  ModuleList,
  Residual,
  RMSNorm,
  type UnaryModule,
  type VirtualTokens,
} from "@lowrank/nn";
import { gatedUnit } from "./activation.ts";
import { type Architecture, defineArchitecture } from "./architecture.ts";
import { CausalLM, type ModelInputs } from "./causalLM.ts";
import type { Activation } from "./config/activation.ts";
import type { ClassifierHead } from "./config/classifierHead.ts";
import {
  type LlamaConfig,
  type LlamaKinConfig,
  type LlamaTraits,
  llamaToHf,
  readLlamaConfig,
} from "./config/llamaConfig.ts";
import { llamaPresets } from "./config/llamaPresets.ts";
import { lastTokenRows } from "./lastToken.ts";
import { outputLayer, ParameterPath, type ParameterSource } from "./parameters.ts";
import { PromptedBatch } from "./promptedBatch.ts";
import { RotaryEmbedding } from "./rope.ts";
import { runBlocks, type WantedRows, wantedRows } from "./runBlocks.ts";
import { type ClassifierInputs, SequenceClassifier } from "./sequenceClassifier.ts";
import type { DefaultTargets, ModelSizes } from "./transformerModel.ts";

// B batch, T tokens, D hidden size, H heads, d head size.

function norm(path: ParameterPath, { hiddenSize, rmsNormEps }: LlamaKinConfig): RMSNorm {
  return new RMSNorm(path.parameter("weight", [hiddenSize], { value: 1 }), rmsNormEps);
}

type Rotate = (x: Tensor) => Tensor;

class LlamaAttention extends AttentionLayer {
  q_proj: UnaryModule;
  k_proj: UnaryModule;
  v_proj: UnaryModule;
  o_proj: UnaryModule;
  attention_dropout: Dropout;
  readonly #headDim: number;
  readonly #window: LlamaTraits["window"];

  constructor(path: ParameterPath, config: LlamaKinConfig, traits: LlamaTraits) {
    super();
    const { hiddenSize, numAttentionHeads, numKeyValueHeads, headDim, attentionDropout } = config;
    const { qkvBias = false, outputBias = false, window } = traits;
    this.q_proj = path.linear("q_proj", hiddenSize, numAttentionHeads * headDim, qkvBias);
    this.k_proj = path.linear("k_proj", hiddenSize, numKeyValueHeads * headDim, qkvBias);
    this.v_proj = path.linear("v_proj", hiddenSize, numKeyValueHeads * headDim, qkvBias);
    this.o_proj = path.linear("o_proj", numAttentionHeads * headDim, hiddenSize, outputBias);
    this.attention_dropout = path.dropout("attention_dropout", attentionDropout);
    this.#headDim = headDim;
    this.#window = window;
  }

  forward(x: Tensor, layer: number, attend: Attend, rotate: Rotate): Tensor {
    const [B, T] = x.shape;
    const heads = (y: Tensor) => reshape(y, [B, T, -1, this.#headDim]);
    const q = rotate(heads(this.q_proj.forward(x)));
    const k = rotate(heads(this.k_proj.forward(x)));
    const v = heads(this.v_proj.forward(x));
    const window = this.#window?.has(layer) ? this.#window.size : undefined;
    const options = { scale: this.#headDim ** -0.5, window, ...this.attention_dropout.ofAttention() };
    const out = attend(layer, q, k, v, options);
    return this.o_proj.forward(reshape(out, [B, T, -1]));
  }
}

class LlamaMLP extends Module {
  gate_proj: UnaryModule;
  up_proj: UnaryModule;
  down_proj: UnaryModule;
  readonly #activation: Activation;

  constructor(path: ParameterPath, config: LlamaKinConfig, { mlpBias = false }: LlamaTraits) {
    super();
    const { hiddenSize, intermediateSize, hiddenAct } = config;
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

class LlamaDecoderLayer extends Module {
  self_attn: LlamaAttention;
  mlp: LlamaMLP;
  input_layernorm: UnaryModule;
  post_attention_layernorm: UnaryModule;
  attention_residual: Residual;
  mlp_residual: Residual;

  constructor(path: ParameterPath, config: LlamaKinConfig, traits: LlamaTraits) {
    super();
    this.self_attn = new LlamaAttention(path.at("self_attn"), config, traits);
    this.mlp = new LlamaMLP(path.at("mlp"), config, traits);
    this.input_layernorm = norm(path.at("input_layernorm"), config);
    this.post_attention_layernorm = norm(path.at("post_attention_layernorm"), config);
    this.attention_residual = new Residual();
    this.mlp_residual = new Residual();
  }

  forward(x: Tensor, layer: number, attend: Attend, rotate: Rotate, wanted: WantedRows): Tensor {
    return scope(() => {
      const attended = this.self_attn.forward(this.input_layernorm.forward(x), layer, attend, rotate);
      const h = wantedRows(this.attention_residual.forward(attended, x), wanted);
      return this.mlp_residual.forward(this.mlp.forward(this.post_attention_layernorm.forward(h)), h);
    });
  }
}

class LlamaModel extends Module {
  embed_tokens: UnaryModule;
  layers: ModuleList<LlamaDecoderLayer>;
  norm: UnaryModule;
  readonly #rotary: RotaryEmbedding;

  constructor(config: LlamaKinConfig, source: ParameterSource, traits: LlamaTraits) {
    super();
    const path = new ParameterPath(source, "model");
    this.embed_tokens = path.embedding("embed_tokens", config.vocabSize, config.hiddenSize, config.padTokenId);
    const indices = Array.from({ length: config.numHiddenLayers }, (_, i) => i);
    this.layers = new ModuleList(indices.map((i) => new LlamaDecoderLayer(path.at(`layers.${i}`), config, traits)));
    this.norm = norm(path.at("norm"), config);
    this.#rotary = new RotaryEmbedding(config.rope, config.headDim);
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
      const x = batch.embed(this.embed_tokens.forward(inputIds));
      const T = x.shape[1];
      const forget = checkpointing && this.training && (!cache || !!cache.isStateless);
      const hidden = runBlocks(this.layers, x, batch, { forget, wanted }, (attend) => {
        const rotate = this.#rotary.at(T, batch.offset, batch.positionIds());
        return (block, h, layer, rows) => block.forward(h, layer, attend, rotate, rows);
      });
      cache?.advance(T);
      return this.norm.forward(hidden);
    });
  }
}

function llamaSizes(config: LlamaKinConfig): ModelSizes {
  const { vocabSize, maxPositionEmbeddings, hiddenSize, headDim } = config;
  const { numHiddenLayers: layers, numAttentionHeads, numKeyValueHeads } = config;
  const attention = { attentionHeads: numAttentionHeads, keyValueHeads: numKeyValueHeads, headDim };
  return { vocabSize, maxPositions: maxPositionEmbeddings, attentionSizes: { hiddenSize, layers, ...attention } };
}

/** Llama, or one of its kin, with a language-model head. */
export class LlamaKinForCausalLM<C extends LlamaKinConfig> extends CausalLM {
  readonly config: C;
  model: LlamaModel;
  lm_head: UnaryModule;

  constructor(config: C, source: ParameterSource, traits: LlamaTraits) {
    super(llamaSizes(config));
    this.config = config;
    this.model = new LlamaModel(config, source, traits);
    this.lm_head = outputLayer(source, this.model.embed_tokens, config.tieWordEmbeddings);
  }

  hidden(inputs: ModelInputs, wanted: WantedRows = "all"): Tensor {
    return this.model.forward(inputs, this.virtualTokens, this.gradientCheckpointing, wanted);
  }
}

/**
 * Llama, or one of its kin, that classifies sequences: by each row's last
 * token that is not padding.
 */
export class LlamaKinForSequenceClassification<C extends LlamaKinConfig> extends SequenceClassifier {
  readonly config: C & ClassifierHead;
  model: LlamaModel;
  score: UnaryModule;

  constructor(config: C & ClassifierHead, source: ParameterSource, traits: LlamaTraits) {
    super(llamaSizes(config));
    this.config = config;
    this.model = new LlamaModel(config, source, traits);
    this.score = linearLayer(source("score.weight", [config.labels.length, config.hiddenSize], { std: 0.02 }));
  }

  hidden(inputs: ClassifierInputs): Tensor {
    return this.model.forward(inputs, this.virtualTokens, this.gradientCheckpointing, "all");
  }

  logits(inputs: ClassifierInputs): Tensor {
    const hidden = this.hidden(inputs);
    return this.score.forward(lastTokenRows(hidden, inputs.inputIds, this.config.padTokenId, this.constructor.name));
  }

  get head(): Module {
    return this.score;
  }
}

function llamaTraits({ attentionBias, mlpBias }: LlamaConfig): LlamaTraits {
  return { qkvBias: attentionBias, outputBias: attentionBias, mlpBias };
}

/**
 * Llama with a language-model head, as transformers' LlamaForCausalLM. Touvron et
 * al. 2023, arXiv:2302.13971.
 */
export class LlamaForCausalLM extends LlamaKinForCausalLM<LlamaConfig> {
  constructor(config: LlamaConfig, source: ParameterSource) {
    super(config, source, llamaTraits(config));
  }
}

/** Llama that classifies sequences, as transformers' LlamaForSequenceClassification. */
export class LlamaForSequenceClassification extends LlamaKinForSequenceClassification<LlamaConfig> {
  constructor(config: LlamaConfig & ClassifierHead, source: ParameterSource) {
    super(config, source, llamaTraits(config));
  }
}

/**
 * Names without the old checkpoints' frequencies of the rotary embedding,
 * which follow from the config.
 */
export function withoutFrequencies(name: string): string | null {
  return name.endsWith(".rotary_emb.inv_freq") ? null : name;
}

/** The layers of a Llama that adapters sit on by default. */
export const llamaTargets: DefaultTargets = {
  linear: ["q_proj", "v_proj"],
  norm: ["input_layernorm", "post_attention_layernorm", "norm"],
  attention: ["self_attn"],
};

/** Llama. */
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
  gguf: async () => (await import("./gguf/llamaForm.ts")).llamaForm(llamaTraits),
  defaultTargets: llamaTargets,
  presets: llamaPresets,
});
