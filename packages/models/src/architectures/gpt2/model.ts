import { add, arange, isPacked, reshape, scope, split, type Tensor } from "@lowrank/core";
import {
  type Attend,
  AttentionLayer,
  Conv1D,
  type Dropout,
  type Linear,
  Module,
  ModuleList,
  Residual,
  type UnaryModule,
  type VirtualTokens,
} from "@lowrank/nn";
import { linearLayer } from "@lowrank/nn/internal";
import type { ClassifierHead } from "../../config/classifierHead.ts";
import { activate } from "../../layers/activation.ts";
import { lastTokenRows } from "../../layers/lastToken.ts";
import { layerNorm } from "../../layers/layerNorm.ts";
import { type Architecture, defineArchitecture } from "../../model/architecture.ts";
import { CausalLM, type ModelInputs } from "../../model/causalLM.ts";
import { outputLayer, ParameterPath, type ParameterSource } from "../../model/parameters.ts";
import { PromptedBatch } from "../../model/promptedBatch.ts";
import { forgets, runBlocks, type WantedRows, wantedRows } from "../../model/runBlocks.ts";
import { type ClassifierInputs, SequenceClassifier } from "../../model/sequenceClassifier.ts";
import type { ModelSizes } from "../../model/transformerModel.ts";
import { type GPT2Config, gpt2ToHf, readGPT2Config } from "./config.ts";

// B batch, T tokens, D hidden size, d head size.

class GPT2Attention extends AttentionLayer {
  c_attn: UnaryModule;
  c_proj: UnaryModule;
  attn_dropout: Dropout;
  resid_dropout: UnaryModule;
  readonly #config: GPT2Config;

  constructor(path: ParameterPath, config: GPT2Config) {
    super();
    const { nEmbd, attnPdrop, residPdrop } = config;
    this.c_attn = conv1D(path, "c_attn", nEmbd, 3 * nEmbd);
    this.c_proj = conv1D(path, "c_proj", nEmbd, nEmbd);
    this.attn_dropout = path.dropout("attn_dropout", attnPdrop);
    this.resid_dropout = path.dropout("resid_dropout", residPdrop);
    this.#config = config;
  }

  forward(x: Tensor, layer: number, attend: Attend): Tensor {
    const { nEmbd, nHead, scaleAttnWeights, scaleAttnByInverseLayerIdx } = this.#config;
    const [B, T] = x.shape;
    const parts = split(this.c_attn.forward(x), nEmbd, { dim: -1 });
    const [q, k, v] = parts.map((y) => reshape(y, [B, T, nHead, nEmbd / nHead]));
    const scale = (scaleAttnWeights ? (nEmbd / nHead) ** -0.5 : 1) / (scaleAttnByInverseLayerIdx ? layer + 1 : 1);
    const attended = attend(layer, q, k, v, { scale, ...this.attn_dropout.ofAttention() });
    const out = reshape(attended, [B, T, nEmbd]);
    return this.resid_dropout.forward(this.c_proj.forward(out));
  }
}

class GPT2MLP extends Module {
  c_fc: UnaryModule;
  c_proj: UnaryModule;
  dropout: UnaryModule;
  readonly #config: GPT2Config;

  constructor(path: ParameterPath, config: GPT2Config) {
    super();
    const { nEmbd, nInner, residPdrop } = config;
    this.c_fc = conv1D(path, "c_fc", nEmbd, nInner);
    this.c_proj = conv1D(path, "c_proj", nInner, nEmbd);
    this.dropout = path.dropout("dropout", residPdrop);
    this.#config = config;
  }

  forward(x: Tensor): Tensor {
    return this.dropout.forward(this.c_proj.forward(activate(this.#config.activationFunction, this.c_fc.forward(x))));
  }
}

class GPT2Block extends Module {
  ln_1: UnaryModule;
  attn: GPT2Attention;
  ln_2: UnaryModule;
  mlp: GPT2MLP;
  attention_residual: Residual;
  mlp_residual: Residual;

  constructor(path: ParameterPath, config: GPT2Config) {
    super();
    const { nEmbd, layerNormEpsilon } = config;
    this.ln_1 = layerNorm(path, "ln_1", nEmbd, layerNormEpsilon);
    this.attn = new GPT2Attention(path.at("attn"), config);
    this.ln_2 = layerNorm(path, "ln_2", nEmbd, layerNormEpsilon);
    this.mlp = new GPT2MLP(path.at("mlp"), config);
    this.attention_residual = new Residual();
    this.mlp_residual = new Residual();
  }

  forward(x: Tensor, layer: number, attend: Attend, wanted: WantedRows): Tensor {
    return scope(() => {
      const attended = this.attn.forward(this.ln_1.forward(x), layer, attend);
      const h = wantedRows(this.attention_residual.forward(attended, x), wanted);
      return this.mlp_residual.forward(this.mlp.forward(this.ln_2.forward(h)), h);
    });
  }
}

class GPT2Model extends Module {
  wte: UnaryModule;
  wpe: UnaryModule;
  drop: UnaryModule;
  h: ModuleList<GPT2Block>;
  ln_f: UnaryModule;

  constructor(config: GPT2Config, source: ParameterSource) {
    super();
    const path = new ParameterPath(source, "transformer");
    this.wte = path.embedding("wte", config.vocabSize, config.nEmbd);
    this.wpe = path.embedding("wpe", config.nPositions, config.nEmbd);
    this.drop = path.dropout("drop", config.embdPdrop);
    const indices = Array.from({ length: config.nLayer }, (_, i) => i);
    this.h = new ModuleList(indices.map((i) => new GPT2Block(path.at(`h.${i}`), config)));
    this.ln_f = layerNorm(path, "ln_f", config.nEmbd, config.layerNormEpsilon);
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
      const embedded = batch.embed(this.wte.forward(inputIds));
      const T = embedded.shape[1];
      const positions = batch.positionIds() ?? arange(batch.offset, batch.offset + T);
      const x = this.drop.forward(add(embedded, this.wpe.forward(positions)));
      const forget = forgets(this, checkpointing, cache);
      const hidden = runBlocks(this.h, x, batch, { forget, wanted }, (attend) => (block, h, layer, rows) => {
        return block.forward(h, layer, attend, rows);
      });
      cache?.advance(T);
      return this.ln_f.forward(hidden);
    });
  }
}

function gpt2Sizes({ vocabSize, nPositions, nLayer, nHead, nEmbd }: GPT2Config): ModelSizes {
  const attention = { attentionHeads: nHead, keyValueHeads: nHead, headDim: nEmbd / nHead };
  return {
    vocabSize,
    maxPositions: nPositions,
    attentionSizes: { hiddenSize: nEmbd, layers: nLayer, ...attention },
  };
}

/** GPT-2 with a language-model head, like transformers' GPT2LMHeadModel. Radford et al. 2019. */
export class GPT2LMHeadModel extends CausalLM {
  readonly config: GPT2Config;
  transformer: GPT2Model;
  lm_head: UnaryModule;

  constructor(config: GPT2Config, source: ParameterSource) {
    super(gpt2Sizes(config));
    this.config = config;
    this.transformer = new GPT2Model(config, source);
    this.lm_head = outputLayer(source, this.transformer.wte, config.tieWordEmbeddings);
  }

  hidden(inputs: ModelInputs, wanted: WantedRows = "all"): Tensor {
    return this.transformer.forward(inputs, this.virtualTokens, this.gradientCheckpointing, wanted);
  }
}

/**
 * GPT-2 that classifies sequences, like transformers' GPT2ForSequenceClassification. It uses the hidden state of each
 * sequence's last non-padding token.
 */
export class GPT2ForSequenceClassification extends SequenceClassifier {
  readonly config: GPT2Config & ClassifierHead;
  transformer: GPT2Model;
  score: UnaryModule;

  constructor(config: GPT2Config & ClassifierHead, source: ParameterSource) {
    super(gpt2Sizes(config));
    this.config = config;
    this.transformer = new GPT2Model(config, source);
    this.score = linearLayer(source("score.weight", [config.labels.length, config.nEmbd], { std: 0.02 }));
  }

  hidden(inputs: ClassifierInputs): Tensor {
    return this.transformer.forward(inputs, this.virtualTokens, this.gradientCheckpointing, "all");
  }

  logits(inputs: ClassifierInputs): Tensor {
    const hidden = this.hidden(inputs);
    return this.score.forward(lastTokenRows(hidden, inputs.inputIds, this.config.padTokenId, this.constructor.name));
  }

  get logitsLayer(): Module {
    return this.score;
  }
}

/**
 * Returns the `config.json` of a published model (Radford et al. 2019). Presets for GPT-3 are GPT-2 models with 2048
 * positions (Brown et al. 2020, arXiv:2005.14165), without GPT-3's sparse attention.
 */
const preset = (n_embd: number, n_layer: number, n_head: number, more: object = {}): Record<string, unknown> => {
  return { n_embd, n_layer, n_head, ...more };
};

/** The architecture of GPT-2. */
export const gpt2: Architecture<GPT2Config> = defineArchitecture({
  modelType: "gpt2",
  readConfig: readGPT2Config,
  writeConfig: gpt2ToHf,
  heads: {
    causalLM: {
      className: "GPT2LMHeadModel",
      module: "lm_head",
      create: (config, source) => new GPT2LMHeadModel(config, source),
    },
    sequenceClassification: {
      className: "GPT2ForSequenceClassification",
      module: "score",
      create: (config, source) => new GPT2ForSequenceClassification(config, source),
    },
  },
  stack: "transformer",
  // Omits the causal mask, which old checkpoints store.
  sanitize: (name) => (/\.attn\.(masked_)?bias$/.test(name) ? null : name),
  gguf: async () => (await import("./gguf.ts")).gpt2Gguf,
  defaultTargets: { linear: ["c_attn"], norm: ["ln_1", "ln_2", "ln_f"], attention: ["attn"] },
  presets: {
    gpt2: preset(768, 12, 12),
    "gpt2-medium": preset(1024, 24, 16),
    "gpt2-large": preset(1280, 36, 20),
    "gpt2-xl": preset(1600, 48, 25),
    "gpt3-175b": preset(12288, 96, 96, { n_positions: 2048 }),
  },
});

/**
 * Makes a linear layer of GPT-2. Its weight is stored as [in, out], as in transformers' Conv1D. A packed (quantised)
 * weight is stored as [out, in].
 */
export function conv1D(path: ParameterPath, name: string, inFeatures: number, outFeatures: number): Conv1D | Linear {
  const at = path.at(name);
  const weight = at.parameter("weight", [inFeatures, outFeatures]);
  const bias = at.parameter("bias", [outFeatures], { value: 0 });
  return isPacked(weight.dtype) ? linearLayer(weight, bias) : new Conv1D(weight, bias);
}
