import {
  add,
  arange,
  embedding,
  isPacked,
  linear,
  mul,
  ones,
  reshape,
  rmsNorm,
  scope,
  slice,
  type Tensor,
} from "@lowrank/core";
import { widen } from "@lowrank/core/internal";
import {
  type Attend,
  AttentionLayer,
  type Dropout,
  Module,
  ModuleBuffer,
  type Parameter,
  Residual,
  type UnaryModule,
} from "@lowrank/nn";
import type { ExpertStack, ExpertUpdates } from "@lowrank/nn/internal";
import type { Activation } from "../../config/architectureConfig.ts";
import { gatedUnit } from "../../layers/activation.ts";
import { rmsNorms } from "../../layers/rmsNorms.ts";
import { expertWeights, weightedExperts } from "../../layers/routedExperts.ts";
import type { ParameterPath } from "../../model/parameters.ts";
import { type WantedRows, wantedRows } from "../../model/runBlocks.ts";
import { LlamaMLP } from "../llama/model.ts";
import type { Rotate } from "../llama/traits.ts";
import type { Gemma4Experts, Gemma4TextConfig } from "./config.ts";

// B batch, T tokens, D hidden size, H heads, d head size, E experts, P width of the per-layer embeddings.

/**
 * The keys and values [B, T, Hkv, d] of the current tokens, which later layers reuse. `layer` is the index of the layer
 * that computed them.
 */
interface SharedKeys {
  readonly layer: number;
  readonly keys: Tensor;
  readonly values: Tensor;
}

/**
 * Returns for each layer the index of the earlier layer whose keys and values it reuses; null for a layer with its own.
 */
export function keySources({ layerTypes, numKvSharedLayers }: Gemma4TextConfig): (number | null)[] {
  const own = layerTypes.length - numKvSharedLayers;
  const [full_attention, sliding_attention] = (["full_attention", "sliding_attention"] as const).map((type) =>
    layerTypes.lastIndexOf(type, own - 1),
  );
  const sources = { full_attention, sliding_attention };
  return layerTypes.map((type, layer) => (layer < own ? null : sources[type]));
}

/**
 * Attention with norms on queries, keys and values. A layer that reuses the keys and values of another layer has a norm
 * on queries only.
 */
class Gemma4Attention extends AttentionLayer {
  q_proj: UnaryModule;
  k_proj: UnaryModule | null;
  v_proj: UnaryModule | null;
  o_proj: UnaryModule;
  q_norm: UnaryModule;
  k_norm: UnaryModule | null;
  attention_dropout: Dropout;
  readonly #headDim: number;
  readonly #window: number | undefined;
  readonly #eps: number;

  constructor(path: ParameterPath, config: Gemma4TextConfig, layer: number) {
    super();
    const { hiddenSize, numAttentionHeads, attentionBias, attentionDropout, rmsNormEps, slidingWindow } = config;
    const slides = config.layerTypes[layer] === "sliding_attention";
    const { headDim, numKeyValueHeads } = slides ? config : config.globalHeads;
    const shares = keySources(config)[layer] !== null;
    const norm = (name: string) => rmsNorms(rmsNormEps)(path.at(name), headDim);
    const project = (name: string) => path.linear(name, hiddenSize, numKeyValueHeads * headDim, attentionBias);
    this.q_proj = path.linear("q_proj", hiddenSize, numAttentionHeads * headDim, attentionBias);
    this.k_proj = shares ? null : project("k_proj");
    this.v_proj = shares || (config.attentionKEqV && !slides) ? null : project("v_proj");
    this.o_proj = path.linear("o_proj", numAttentionHeads * headDim, hiddenSize, attentionBias);
    this.q_norm = norm("q_norm");
    this.k_norm = shares ? null : norm("k_norm");
    this.attention_dropout = path.dropout("attention_dropout", attentionDropout);
    this.#headDim = headDim;
    this.#window = slides ? slidingWindow : undefined;
    this.#eps = rmsNormEps;
  }

  /**
   * Returns the attention output [B, T, D]. If `shared` is given, attends to its keys and values, which layer
   * `shared.layer` computed, and computes no keys and values. `attend` then stores them in that layer's cache a second
   * time; this does not change the cache.
   */
  forward(x: Tensor, layer: number, attend: Attend, rotate: Rotate, shared: SharedKeys | null): Tensor {
    const [B, T] = x.shape;
    const heads = (rows: Tensor) => reshape(rows, [B, T, -1, this.#headDim]);
    const q = rotate(this.q_norm.forward(heads(this.q_proj.forward(x))));
    const { keys, values } = shared ?? this.#project(x, heads, rotate);
    const options = { scale: 1, window: this.#window, ...this.attention_dropout.ofAttention() };
    const attended = attend(shared?.layer ?? layer, q, keys, values, options);
    return this.o_proj.forward(reshape(attended, [B, T, -1]));
  }

  #project(x: Tensor, heads: (rows: Tensor) => Tensor, rotate: Rotate): { keys: Tensor; values: Tensor } {
    const rows = heads(this.k_proj!.forward(x));
    const values = this.v_proj ? heads(this.v_proj.forward(x)) : rows;
    return {
      keys: rotate(this.k_norm!.forward(rows)),
      values: rmsNorm(values, ones([this.#headDim]), { eps: this.#eps }),
    };
  }
}

/**
 * The router of a block: an RMSNorm with learned weights, a projection to one logit per expert, and a learned factor
 * for each expert.
 */
class Gemma4Router extends Module {
  proj: UnaryModule;
  scale: Parameter;
  per_expert_scale: Parameter;
  readonly #eps: number;
  readonly #perToken: number;

  constructor(path: ParameterPath, { hiddenSize, rmsNormEps }: Gemma4TextConfig, experts: Gemma4Experts) {
    super();
    const { numExperts, topKExperts } = experts;
    this.proj = path.linear("proj", hiddenSize, numExperts, false);
    this.scale = path.parameter("scale", [hiddenSize], { value: 1 });
    this.per_expert_scale = path.parameter("per_expert_scale", [numExperts], { value: 1 });
    this.#eps = rmsNormEps;
    this.#perToken = topKExperts;
  }

  /** Returns the weight of each expert for each token, [B, T, E]; 0 for experts that a token does not use. */
  forward(x: Tensor): Tensor {
    const factors = mul(widen(this.scale), this.scale.size ** -0.5);
    const logits = this.proj.forward(rmsNorm(x, factors, { eps: this.#eps }));
    const scale = widen(this.per_expert_scale);
    return expertWeights(logits, { perToken: this.#perToken, normalises: true, scale });
  }
}

/**
 * Routed experts. Each weight tensor contains the matrices of all experts. In `gate_up_proj`, the gate's rows come
 * before the up projection's rows.
 */
class Gemma4ExpertStack extends Module implements ExpertStack {
  gate_up_proj: Parameter;
  down_proj: Parameter;
  readonly #activation: Activation;

  constructor(path: ParameterPath, { hiddenSize, hiddenAct }: Gemma4TextConfig, experts: Gemma4Experts) {
    super();
    const { numExperts, moeIntermediateSize: width } = experts;
    this.gate_up_proj = path.parameter("gate_up_proj", [numExperts, 2 * width, hiddenSize]);
    this.down_proj = path.parameter("down_proj", [numExperts, hiddenSize, width]);
    this.#activation = hiddenAct;
  }

  get stackedParameters(): readonly string[] {
    return ["gate_up_proj", "down_proj"];
  }

  forward(x: Tensor, weights: Tensor, updates: ExpertUpdates = {}): Tensor {
    const experts = Array.from({ length: this.gate_up_proj.shape[0] }, (_, expert) => ({
      forward: (rows: Tensor) => this.#run(rows, expert, updates),
    }));
    return weightedExperts(x, weights, experts);
  }

  #run(x: Tensor, expert: number, updates: ExpertUpdates): Tensor {
    const product = (name: "gate_up_proj" | "down_proj", inputs: Tensor) => {
      const y = linear(inputs, matrixOf(this[name], expert));
      const update = updates[name]?.(inputs, expert);
      return update ? add(y, update) : y;
    };
    const both = product("gate_up_proj", x);
    const width = both.shape[2] / 2;
    const gate = slice(both, { dim: 2, end: width });
    const up = slice(both, { dim: 2, start: width });
    return product("down_proj", gatedUnit(this.#activation, gate, up));
  }
}

/**
 * Returns the matrix [O, I] of one expert in f32. `stack` [E, O, I] contains the matrices of all experts; only the
 * requested one is converted.
 */
function matrixOf(stack: Tensor, expert: number): Tensor {
  const [experts, out, inputs] = stack.shape;
  if (isPacked(stack.dtype)) {
    const rows = arange(expert * out, (expert + 1) * out, 1, { dtype: "i32" });
    return embedding(reshape(stack, [experts * out, inputs]), rows);
  }
  return widen(reshape(slice(stack, { dim: 0, start: expert, end: expert + 1 }), [out, inputs]));
}

/** The inputs of a block other than its hidden states. */
export interface Gemma4BlockInputs {
  readonly attend: Attend;
  readonly rotate: Rotate;
  /**
   * The per-layer embeddings of the tokens for this layer, [B, T, P]; null if the model has no per-layer embeddings.
   */
  readonly perLayer: Tensor | null;
  readonly shared: SharedKeys | null;
  readonly wanted: WantedRows;
}

/** A block with norms before and after attention and MLP, and a third sub-layer for its per-layer embeddings. */
export class Gemma4DecoderLayer extends Module {
  self_attn: Gemma4Attention;
  mlp: UnaryModule;
  input_layernorm: UnaryModule;
  post_attention_layernorm: UnaryModule;
  pre_feedforward_layernorm: UnaryModule;
  post_feedforward_layernorm: UnaryModule;
  layer_scalar: ModuleBuffer;
  per_layer_input_gate: UnaryModule | null;
  per_layer_projection: UnaryModule | null;
  post_per_layer_input_norm: UnaryModule | null;
  router: Gemma4Router | null;
  experts: Gemma4ExpertStack | null;
  post_feedforward_layernorm_1: UnaryModule | null;
  post_feedforward_layernorm_2: UnaryModule | null;
  pre_feedforward_layernorm_2: UnaryModule | null;
  attention_residual: Residual;
  mlp_residual: Residual;
  readonly #activation: Activation;

  constructor(path: ParameterPath, config: Gemma4TextConfig, layer: number) {
    super();
    const { hiddenSize, intermediateSize, hiddenAct, hiddenSizePerLayerInput: own, experts } = config;
    const norm = (name: string) => rmsNorms(config.rmsNormEps)(path.at(name), hiddenSize);
    const isWide = config.useDoubleWideMlp && keySources(config)[layer] !== null;
    const sizes = { hiddenSize, hiddenAct, intermediateSize: isWide ? 2 * intermediateSize : intermediateSize };
    this.self_attn = new Gemma4Attention(path.at("self_attn"), config, layer);
    this.mlp = new LlamaMLP(path.at("mlp"), sizes);
    this.input_layernorm = norm("input_layernorm");
    this.post_attention_layernorm = norm("post_attention_layernorm");
    this.pre_feedforward_layernorm = norm("pre_feedforward_layernorm");
    this.post_feedforward_layernorm = norm("post_feedforward_layernorm");
    using scalar = path.parameter("layer_scalar", [1], { value: 1 });
    this.layer_scalar = new ModuleBuffer(scalar);
    this.per_layer_input_gate = own > 0 ? path.linear("per_layer_input_gate", hiddenSize, own, false) : null;
    this.per_layer_projection = own > 0 ? path.linear("per_layer_projection", own, hiddenSize, false) : null;
    this.post_per_layer_input_norm = own > 0 ? norm("post_per_layer_input_norm") : null;
    this.router = experts && new Gemma4Router(path.at("router"), config, experts);
    this.experts = experts && new Gemma4ExpertStack(path.at("experts"), config, experts);
    this.post_feedforward_layernorm_1 = experts && norm("post_feedforward_layernorm_1");
    this.post_feedforward_layernorm_2 = experts && norm("post_feedforward_layernorm_2");
    this.pre_feedforward_layernorm_2 = experts && norm("pre_feedforward_layernorm_2");
    this.attention_residual = new Residual();
    this.mlp_residual = new Residual();
    this.#activation = hiddenAct;
  }

  /**
   * Returns the hidden states of all tokens, or only of the last token of each sequence, as `inputs.wanted` specifies.
   * If the layer computes its own keys and values, returns these two tensors after the hidden states.
   */
  forward(x: Tensor, layer: number, inputs: Gemma4BlockInputs): [rows: Tensor, ...keysAndValues: Tensor[]] {
    const { attend, rotate, perLayer, shared, wanted } = inputs;
    return scope(() => {
      let own: Tensor[] = [];
      const seen: Attend = (at, q, k, v, options) => {
        if (!shared) own = [k, v];
        return attend(at, q, k, v, options);
      };
      const attended = this.self_attn.forward(this.input_layernorm.forward(x), layer, seen, rotate, shared);
      const h = wantedRows(this.attention_residual.forward(this.post_attention_layernorm.forward(attended), x), wanted);
      const made = this.#feedForward(h, this.mlp.forward(this.pre_feedforward_layernorm.forward(h)));
      const after = this.mlp_residual.forward(this.post_feedforward_layernorm.forward(made), h);
      const whole = perLayer ? add(after, this.#ownEmbeddings(after, wantedRows(perLayer, wanted))) : after;
      return [mul(whole, widen(this.layer_scalar)), ...own];
    });
  }

  /**
   * Returns the output of the feed-forward sub-layer. `h` are the hidden states, and `fromMLP` is the MLP's output.
   * With experts, returns the sum of the MLP's and the experts' outputs, each normalised; otherwise returns `fromMLP`.
   */
  #feedForward(h: Tensor, fromMLP: Tensor): Tensor {
    if (!this.experts) return fromMLP;
    const rows = this.pre_feedforward_layernorm_2!.forward(h);
    const routed = this.experts.forward(rows, this.router!.forward(h));
    return add(this.post_feedforward_layernorm_1!.forward(fromMLP), this.post_feedforward_layernorm_2!.forward(routed));
  }

  #ownEmbeddings(h: Tensor, perLayer: Tensor): Tensor {
    const gated = gatedUnit(this.#activation, this.per_layer_input_gate!.forward(h), perLayer);
    return this.post_per_layer_input_norm!.forward(this.per_layer_projection!.forward(gated));
  }
}
