import type { Draw } from "../draw.ts";
import type { DrawBase, RandomBase } from "../randomBases.ts";
import { tokens } from "./tokens.ts";

/** The properties of one Llama-like model, in addition to the common ones. */
interface KinFields {
  /** Its additional config fields. */
  config: Record<string, unknown>;
  /**
   * True if `head_dim` may differ from the value derived from the hidden size; "always" if the config always sets it.
   */
  headDim: boolean | "always";
  /** True if transformers has a sequence classification class for it. Default: true. */
  classifies?: boolean;
  /** Names of the norms. Default: Llama's. */
  norms?: readonly string[];
  /** True if PEFT's table of default targets contains it. Default: true. */
  inTable?: boolean;
  /** The linear layers of a block. Default: Llama's. */
  linears?(sizes: KinSizes): RandomBase["linears"];
  /** True if the embedding layer scales embeddings. Default: false. */
  scaledEmbedding?: true;
  /** True if "all-linear" selects other layers in PEFT, which stores experts in one parameter. Default: false. */
  otherLinears?: true;
  /** Parameters of experts and routers, by path in a block. Default: none. */
  parameters?: readonly string[];
}

/** The widths of a Llama-like model. */
interface KinSizes {
  readonly hidden: number;
  readonly queries: number;
  readonly keys: number;
  readonly inner: number;
}

/** The linear layers of Llama's attention. */
export const llamaAttention = ({ hidden, queries, keys }: KinSizes): RandomBase["linears"] => ({
  "self_attn.q_proj": [hidden, queries],
  "self_attn.k_proj": [hidden, keys],
  "self_attn.v_proj": [hidden, keys],
  "self_attn.o_proj": [queries, hidden],
});

const llamaLinears = (sizes: KinSizes): RandomBase["linears"] => ({
  ...llamaAttention(sizes),
  "mlp.gate_proj": [sizes.hidden, sizes.inner],
  "mlp.up_proj": [sizes.hidden, sizes.inner],
  "mlp.down_proj": [sizes.inner, sizes.hidden],
});

/** Draws a Llama-like model: grouped queries, tied output layers, for a language model or sequence classification. */
export const llamaKin =
  (modelType: string, fieldsOf: (draw: Draw, layers: number, headDim: number) => KinFields): DrawBase =>
  (draw) => {
    const keyHeads = draw.integer(1, 2);
    const heads = keyHeads * draw.integer(1, 3);
    const headDim = 2 * draw.integer(2, 5);
    const layers = draw.integer(1, 3);
    const fields = fieldsOf(draw, layers, headDim);
    const own = fields.headDim !== false && draw.chance(0.4);
    const hidden = heads * (own ? draw.integer(4, 13) : headDim);
    const inner = draw.integer(9, 56);
    const vocab = draw.integer(50, 70);
    const classifies = draw.chance(0.15) && fields.classifies !== false;
    const classes = classifies ? draw.integer(2, 4) : vocab;
    const tied = !classifies && draw.chance(0.3);
    const [queries, keys] = [heads * headDim, keyHeads * headDim];
    return {
      config: {
        model_type: modelType,
        ...tokens,
        vocab_size: vocab,
        hidden_size: hidden,
        intermediate_size: inner,
        num_hidden_layers: layers,
        num_attention_heads: heads,
        num_key_value_heads: keyHeads,
        max_position_embeddings: 64,
        tie_word_embeddings: tied,
        hidden_act: draw.pick(["silu", "silu", "gelu", "gelu_pytorch_tanh"]),
        rms_norm_eps: draw.pick([1e-6, 1e-5]),
        rope_theta: draw.pick([10000, 500]),
        ...fields.config,
        ...(own || fields.headDim === "always" ? { head_dim: headDim } : {}),
        ...(classifies ? { num_labels: classes } : {}),
      },
      task: classifies ? "SEQ_CLS" : "CAUSAL_LM",
      kind: "decoder",
      classes,
      linears: (fields.linears ?? llamaLinears)({ hidden, queries, keys, inner }),
      conv1d: false,
      embedding: "embed_tokens",
      tied,
      norms: fields.norms ?? ["input_layernorm", "post_attention_layernorm", "norm"],
      layersPattern: "layers",
      layers,
      attention: fields.inTable === false ? null : ["self_attn.q_proj", "self_attn.v_proj"],
      ...(fields.scaledEmbedding ? { scaledEmbedding: true } : {}),
      ...(fields.otherLinears ? { otherLinears: true } : {}),
      ...(fields.parameters ? { parameters: fields.parameters } : {}),
    };
  };

/** A llama, with or without biases. */
export const llama: DrawBase = llamaKin("llama", (draw) => ({
  config: { attention_bias: draw.chance(0.3), mlp_bias: draw.chance(0.3) },
  headDim: true,
}));
