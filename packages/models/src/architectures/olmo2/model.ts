import { scope, type Tensor } from "@lowrank/core";
import { type Attend, Module, Residual, type UnaryModule } from "@lowrank/nn";
import { rmsNorms } from "../../layers/rmsNorms.ts";
import { type Architecture, defineArchitecture } from "../../model/architecture.ts";
import { type WantedRows, wantedRows } from "../../model/runBlocks.ts";
import { type LlamaFamilyConfig, llamaFamilyToHf, readLlamaFamily } from "../llama/config.ts";
import { llamaFamilyHeads, subLayers, withoutFrequencies } from "../llama/model.ts";
import { normedAttention } from "../llama/normedAttention.ts";
import type { RotaryAttention } from "../llama/rotaryAttention.ts";
import type { DecoderLayer, LlamaTraits, MakePart, Rotate } from "../llama/traits.ts";

/** The config of an OLMo 2 model: the fields of Hugging Face's Olmo2Config in camelCase. */
export interface Olmo2Config extends LlamaFamilyConfig {
  modelType: "olmo2";
  attentionBias: boolean;
}

const defaults = {
  vocabSize: 50304,
  intermediateSize: 11008,
  numKeyValueHeads: null,
  maxPositionEmbeddings: 2048,
  rmsNormEps: 1e-5,
  bosTokenId: null,
  eosTokenIds: [50279],
  padTokenId: 1,
};

/** A block with a norm after each sub-layer. */
class Olmo2DecoderLayer extends Module implements DecoderLayer {
  self_attn: RotaryAttention;
  mlp: UnaryModule;
  post_attention_layernorm: UnaryModule;
  post_feedforward_layernorm: UnaryModule;
  attention_residual: Residual;
  mlp_residual: Residual;

  constructor(...[path, config, traits, layer]: Parameters<MakePart<DecoderLayer>>) {
    super();
    const { attention, mlp } = subLayers(path, config, traits, layer);
    this.self_attn = attention;
    this.mlp = mlp;
    this.post_attention_layernorm = traits.norm(path.at("post_attention_layernorm"), config.hiddenSize);
    this.post_feedforward_layernorm = traits.norm(path.at("post_feedforward_layernorm"), config.hiddenSize);
    this.attention_residual = new Residual();
    this.mlp_residual = new Residual();
  }

  forward(x: Tensor, layer: number, attend: Attend, rotate: Rotate, wanted: WantedRows): Tensor {
    return scope(() => {
      const attended = this.post_attention_layernorm.forward(this.self_attn.forward(x, layer, attend, rotate));
      const h = wantedRows(this.attention_residual.forward(attended, x), wanted);
      return this.mlp_residual.forward(this.post_feedforward_layernorm.forward(this.mlp.forward(h)), h);
    });
  }
}

function traits({ rmsNormEps, attentionBias }: Olmo2Config): LlamaTraits {
  return {
    ...{ norm: rmsNorms(rmsNormEps), qkvBias: attentionBias, outputBias: attentionBias },
    attention: normedAttention("heads"),
    layer: (...part) => new Olmo2DecoderLayer(...part),
  };
}

/** OLMo 2: Llama with norms after its sub-layers. OLMo Team 2024, arXiv:2501.00656. */
export const olmo2: Architecture<Olmo2Config> = defineArchitecture({
  modelType: "olmo2",
  readConfig: (fields) => ({
    ...readLlamaFamily(fields, "olmo2", defaults),
    attentionBias: fields.boolean("attention_bias", false),
  }),
  writeConfig: (config) => ({ ...llamaFamilyToHf(config), attention_bias: config.attentionBias }),
  heads: llamaFamilyHeads("Olmo2", traits),
  stack: "model",
  sanitize: withoutFrequencies,
  gguf: async () => (await import("./gguf.ts")).olmo2Form(traits),
  defaultTargets: {
    linear: ["q_proj", "v_proj"],
    norm: ["post_attention_layernorm", "post_feedforward_layernorm", "norm"],
    attention: ["self_attn"],
  },
  presets: {
    "olmo-2-1b": {
      ...{ vocab_size: 100352, hidden_size: 2048, intermediate_size: 8192, num_hidden_layers: 16 },
      ...{ num_attention_heads: 16, num_key_value_heads: 16, max_position_embeddings: 4096, rope_theta: 500000 },
      ...{ rms_norm_eps: 1e-6, eos_token_id: 100257, pad_token_id: 100277 },
    },
  },
});
