import { reshape, scope, slice, type Tensor } from "@lowrank/core";
import {
  type Attend,
  AttentionLayer,
  type Dropout,
  Module,
  ModuleList,
  Residual,
  type UnaryModule,
  type VirtualTokens,
} from "@lowrank/nn";
import { linearLayer } from "@lowrank/nn/internal";
import type { Activation } from "../../config/architectureConfig.ts";
import type { ClassifierHead } from "../../config/classifierHead.ts";
import type { JsonFields } from "../../config/jsonFields.ts";
import { activate } from "../../layers/activation.ts";
import { lastTokenRows } from "../../layers/lastToken.ts";
import { layerNorm } from "../../layers/layerNorm.ts";
import { type Architecture, defineArchitecture } from "../../model/architecture.ts";
import { CausalLM, type ModelInputs } from "../../model/causalLM.ts";
import { outputLayer, ParameterPath, type ParameterSource } from "../../model/parameters.ts";
import { PromptedBatch } from "../../model/promptedBatch.ts";
import { forgets, runBlocks, type WantedRows, wantedRows } from "../../model/runBlocks.ts";
import { type ClassifierInputs, SequenceClassifier } from "../../model/sequenceClassifier.ts";
import { RotaryEmbedding } from "../../rope/rope.ts";
import { type DecoderConfig, decoderToHf, readDecoder } from "../llama/config.ts";
import { decoderSizes, withoutFrequencies } from "../llama/model.ts";
import type { Rotate } from "../llama/traits.ts";

// B batch, T tokens, D hidden size, H heads, d head size.

/** The config of a GPT-NeoX model: the fields of Hugging Face's GPTNeoXConfig in camelCase. */
export interface GPTNeoXConfig extends DecoderConfig {
  modelType: "gpt_neox";
  layerNormEps: number;
  attentionBias: boolean;
  /** True if attention and the MLP of a block run in parallel on the same input. */
  useParallelResidual: boolean;
  /** Dropout probability of the embeddings and of sub-layer outputs in training. */
  hiddenDropout: number;
}

function readConfig(fields: JsonFields): GPTNeoXConfig {
  const defaults = {
    vocabSize: 50432,
    hiddenSize: 6144,
    intermediateSize: 24576,
    numHiddenLayers: 44,
    numAttentionHeads: 64,
    numKeyValueHeads: null,
    plainHeads: true,
    hiddenAct: "gelu",
    maxPositionEmbeddings: 2048,
    bosTokenId: 0,
    eosTokenIds: [2],
    rope: {
      theta: fields.positive("rotary_emb_base", 10000),
      partialRotaryFactor: fields.number("rotary_pct", 0.25),
    },
  } as const;
  return {
    ...readDecoder(fields, "gpt_neox", defaults),
    layerNormEps: fields.epsilon("layer_norm_eps", 1e-5),
    attentionBias: fields.boolean("attention_bias", true),
    useParallelResidual: fields.boolean("use_parallel_residual", true),
    hiddenDropout: fields.probability("hidden_dropout", 0),
  };
}

class GPTNeoXAttention extends AttentionLayer {
  query_key_value: UnaryModule;
  dense: UnaryModule;
  attention_dropout: Dropout;
  readonly #headDim: number;

  constructor(path: ParameterPath, { hiddenSize, headDim, attentionBias, attentionDropout }: GPTNeoXConfig) {
    super();
    this.query_key_value = path.linear("query_key_value", hiddenSize, 3 * hiddenSize, attentionBias);
    this.dense = path.linear("dense", hiddenSize, hiddenSize, attentionBias);
    this.attention_dropout = path.dropout("attention_dropout", attentionDropout);
    this.#headDim = headDim;
  }

  forward(x: Tensor, layer: number, attend: Attend, rotate: Rotate): Tensor {
    const [B, T, D] = x.shape;
    const d = this.#headDim;
    // The output of the projection has query, key and value of the first head, then of the second head, and so forth.
    const joined = reshape(this.query_key_value.forward(x), [B, T, D / d, 3 * d]);
    const [q, k, v] = [0, d, 2 * d].map((start) => slice(joined, { dim: 3, start, end: start + d }));
    const options = { scale: d ** -0.5, ...this.attention_dropout.ofAttention() };
    return this.dense.forward(reshape(attend(layer, rotate(q), rotate(k), v, options), [B, T, D]));
  }
}

class GPTNeoXMLP extends Module {
  dense_h_to_4h: UnaryModule;
  dense_4h_to_h: UnaryModule;
  readonly #activation: Activation;

  constructor(path: ParameterPath, { hiddenSize, intermediateSize, hiddenAct }: GPTNeoXConfig) {
    super();
    this.dense_h_to_4h = path.linear("dense_h_to_4h", hiddenSize, intermediateSize, true);
    this.dense_4h_to_h = path.linear("dense_4h_to_h", intermediateSize, hiddenSize, true);
    this.#activation = hiddenAct;
  }

  forward(x: Tensor): Tensor {
    return this.dense_4h_to_h.forward(activate(this.#activation, this.dense_h_to_4h.forward(x)));
  }
}

class GPTNeoXLayer extends Module {
  input_layernorm: UnaryModule;
  post_attention_layernorm: UnaryModule;
  post_attention_dropout: UnaryModule;
  post_mlp_dropout: UnaryModule;
  attention: GPTNeoXAttention;
  mlp: GPTNeoXMLP;
  attention_residual: Residual;
  mlp_residual: Residual;
  readonly #parallel: boolean;

  constructor(path: ParameterPath, config: GPTNeoXConfig) {
    super();
    const { hiddenSize, layerNormEps, hiddenDropout, useParallelResidual } = config;
    this.input_layernorm = layerNorm(path, "input_layernorm", hiddenSize, layerNormEps);
    this.post_attention_layernorm = layerNorm(path, "post_attention_layernorm", hiddenSize, layerNormEps);
    this.post_attention_dropout = path.dropout("post_attention_dropout", hiddenDropout);
    this.post_mlp_dropout = path.dropout("post_mlp_dropout", hiddenDropout);
    this.attention = new GPTNeoXAttention(path.at("attention"), config);
    this.mlp = new GPTNeoXMLP(path.at("mlp"), config);
    this.attention_residual = new Residual();
    this.mlp_residual = new Residual();
    this.#parallel = useParallelResidual;
  }

  forward(x: Tensor, layer: number, attend: Attend, rotate: Rotate, wanted: WantedRows): Tensor {
    return scope(() => {
      const attended = this.attention.forward(this.input_layernorm.forward(x), layer, attend, rotate);
      const h = wantedRows(this.attention_residual.forward(this.post_attention_dropout.forward(attended), x), wanted);
      const rows = this.post_attention_layernorm.forward(this.#parallel ? wantedRows(x, wanted) : h);
      return this.mlp_residual.forward(this.post_mlp_dropout.forward(this.mlp.forward(rows)), h);
    });
  }
}

class GPTNeoXModel extends Module {
  embed_in: UnaryModule;
  emb_dropout: UnaryModule;
  layers: ModuleList<GPTNeoXLayer>;
  final_layer_norm: UnaryModule;
  readonly #rotary: RotaryEmbedding;

  constructor(config: GPTNeoXConfig, source: ParameterSource) {
    super();
    const path = new ParameterPath(source, "gpt_neox");
    const { vocabSize, hiddenSize, numHiddenLayers, headDim, hiddenDropout, layerNormEps } = config;
    this.embed_in = path.embedding("embed_in", vocabSize, hiddenSize);
    this.emb_dropout = path.dropout("emb_dropout", hiddenDropout);
    const indices = Array.from({ length: numHiddenLayers }, (_, i) => i);
    this.layers = new ModuleList(indices.map((i) => new GPTNeoXLayer(path.at(`layers.${i}`), config)));
    this.final_layer_norm = layerNorm(path, "final_layer_norm", hiddenSize, layerNormEps);
    this.#rotary = new RotaryEmbedding(config.rope, headDim, config.maxPositionEmbeddings);
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
      const x = this.emb_dropout.forward(batch.embed(this.embed_in.forward(inputIds)));
      const T = x.shape[1];
      const forget = forgets(this, checkpointing, cache);
      const hidden = runBlocks(this.layers, x, batch, { forget, wanted }, (attend) => {
        const rotate = this.#rotary.at(T, batch.offset, batch.positions(), cache?.holdsSeveral);
        return (block, h, layer, rows) => block.forward(h, layer, attend, rotate, rows);
      });
      cache?.advance(T);
      return this.final_layer_norm.forward(hidden);
    });
  }
}

/** GPT-NeoX with a language-model head, like transformers' GPTNeoXForCausalLM. */
class GPTNeoXForCausalLM extends CausalLM {
  readonly config: GPTNeoXConfig;
  gpt_neox: GPTNeoXModel;
  embed_out: UnaryModule;

  constructor(config: GPTNeoXConfig, source: ParameterSource) {
    super(decoderSizes(config));
    this.config = config;
    this.gpt_neox = new GPTNeoXModel(config, source);
    this.embed_out = outputLayer(source, this.gpt_neox.embed_in, config.tieWordEmbeddings, "embed_out");
  }

  /** The output layer. This architecture stores it as `embed_out`. */
  get lm_head(): UnaryModule {
    return this.embed_out;
  }

  hidden(inputs: ModelInputs, wanted: WantedRows = "all"): Tensor {
    return this.gpt_neox.forward(inputs, this.virtualTokens, this.gradientCheckpointing, wanted);
  }
}

/**
 * GPT-NeoX that classifies sequences, like transformers' GPTNeoXForSequenceClassification. It uses the hidden state of
 * each sequence's last non-padding token.
 */
class GPTNeoXForSequenceClassification extends SequenceClassifier {
  readonly config: GPTNeoXConfig & ClassifierHead;
  gpt_neox: GPTNeoXModel;
  score: UnaryModule;

  constructor(config: GPTNeoXConfig & ClassifierHead, source: ParameterSource) {
    super(decoderSizes(config));
    this.config = config;
    this.gpt_neox = new GPTNeoXModel(config, source);
    this.score = linearLayer(source("score.weight", [config.labels.length, config.hiddenSize], { std: 0.02 }));
  }

  hidden(inputs: ClassifierInputs): Tensor {
    return this.gpt_neox.forward(inputs, this.virtualTokens, this.gradientCheckpointing, "all");
  }

  logits(inputs: ClassifierInputs): Tensor {
    const { modelType, padTokenId } = this.config;
    return this.score.forward(lastTokenRows(this.hidden(inputs), inputs.inputIds, padTokenId, modelType));
  }

  get logitsLayer(): Module {
    return this.score;
  }
}

/**
 * Returns null for the causal mask and the rotary frequencies, which old checkpoints store but the model does not use.
 * Renames `lm_head`, the name in transformers 5, to `embed_out`.
 */
function sanitize(name: string): string | null {
  if (/\.attention\.(masked_)?bias$/.test(name)) return null;
  return withoutFrequencies(name.replace(/^lm_head\./, "embed_out."));
}

/** GPT-NeoX and Pythia. Black et al. 2022, arXiv:2204.06745. */
export const gptNeoX: Architecture<GPTNeoXConfig> = defineArchitecture({
  modelType: "gpt_neox",
  readConfig,
  writeConfig: ({ rope, ...config }) => {
    const { head_dim: _, num_key_value_heads: __, ...json } = decoderToHf({ rope, ...config });
    return {
      ...json,
      attention_bias: config.attentionBias,
      hidden_dropout: config.hiddenDropout,
      layer_norm_eps: config.layerNormEps,
      rotary_emb_base: rope.theta,
      rotary_pct: rope.partialRotaryFactor,
      use_parallel_residual: config.useParallelResidual,
    };
  },
  heads: {
    causalLM: {
      className: "GPTNeoXForCausalLM",
      module: "embed_out",
      create: (config, source) => new GPTNeoXForCausalLM(config, source),
    },
    sequenceClassification: {
      className: "GPTNeoXForSequenceClassification",
      module: "score",
      create: (config, source) => new GPTNeoXForSequenceClassification(config, source),
    },
  },
  stack: "gpt_neox",
  sanitize,
  gguf: async () => (await import("./gguf.ts")).gptNeoXForm,
  defaultTargets: {
    linear: ["query_key_value"],
    norm: ["input_layernorm", "post_attention_layernorm", "final_layer_norm"],
    attention: ["attention"],
  },
  presets: {
    // Biderman et al. 2023, arXiv:2304.01373.
    "pythia-160m": {
      ...{ vocab_size: 50304, hidden_size: 768, intermediate_size: 3072, num_hidden_layers: 12 },
      ...{ num_attention_heads: 12, eos_token_id: 0 },
    },
    "pythia-1.4b": {
      ...{ vocab_size: 50304, hidden_size: 2048, intermediate_size: 8192, num_hidden_layers: 24 },
      ...{ num_attention_heads: 16, eos_token_id: 0 },
    },
  },
});
