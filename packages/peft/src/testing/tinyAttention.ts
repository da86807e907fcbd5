import { attention, cat, expand, reshape, slice, type Tensor } from "@lowrank/core";
import {
  type Attend,
  AttentionLayer,
  type AttentionSizes,
  Linear,
  type Parameter,
  type UnaryModule,
  type VirtualTokens,
} from "@lowrank/nn";

/** Two layers with two attention heads that share one key head. */
export const tinySizes: AttentionSizes = {
  hiddenSize: 6,
  layers: 2,
  attentionHeads: 2,
  keyValueHeads: 1,
  headDim: 3,
};

/** Llama's attention without positions. */
export class TinyAttention extends AttentionLayer {
  q_proj: UnaryModule;
  k_proj: UnaryModule;
  v_proj: UnaryModule;
  o_proj: UnaryModule;

  constructor(draw: (shape: number[]) => Parameter) {
    super();
    const { hiddenSize, keyValueHeads, headDim } = tinySizes;
    this.q_proj = new Linear(draw([hiddenSize, hiddenSize]));
    this.k_proj = new Linear(draw([keyValueHeads * headDim, hiddenSize]));
    this.v_proj = new Linear(draw([keyValueHeads * headDim, hiddenSize]));
    this.o_proj = new Linear(draw([hiddenSize, hiddenSize]));
  }

  forward(x: Tensor, layer: number, attend: Attend): Tensor {
    const [B, T] = x.shape;
    const heads = (y: Tensor) => reshape(y, [B, T, -1, tinySizes.headDim]);
    const [q, k, v] = [this.q_proj, this.k_proj, this.v_proj].map((projection) => heads(projection.forward(x)));
    return this.o_proj.forward(reshape(attend(layer, q, k, v, { scale: tinySizes.headDim ** -0.5 }), [B, T, -1]));
  }
}

/** Causal attention, with virtual keys and values first if the adapter has any. */
export function tinyAttend(virtual: VirtualTokens | null): Attend {
  const rows = virtual?.kind === "cache" ? virtual.rows() : null;
  return (layer, q, k, v, options) => {
    if (!rows) return attention(q, k, v, { ...options, causal: true });
    const [keys, values] = [k, v].map((own, which) => {
      const ofLayer = slice(rows, { dim: 1, start: layer, end: layer + 1 });
      const one = reshape(slice(ofLayer, { dim: 2, start: which, end: which + 1 }), [1, -1, ...own.shape.slice(2)]);
      return cat([expand(one, [own.shape[0], -1, -1, -1]), own], { dim: 1 });
    });
    return attention(q, keys, values, { ...options, causal: true });
  };
}
