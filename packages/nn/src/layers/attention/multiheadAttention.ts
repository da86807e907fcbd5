import {
  type AttentionDropout,
  cat,
  chunk,
  defaultGenerator,
  expand,
  formatShape,
  type Generator,
  linear,
  mean,
  rand,
  randn,
  scope,
  type Tensor,
  zeros,
} from "@lowrank/core";
import { checkOptions, type OptionKeys } from "@lowrank/core/internal";
import { Module } from "../../module/module.ts";
import { Parameter } from "../../module/parameter.ts";
import { type CreateLayerOptions, createLayerKeys, expectSizes } from "../layerSizes.ts";
import { Linear } from "../linear/linear.ts";
import { type AttentionMasks, attendFused, attendWeighted, scoreMask } from "./weighValues.ts";

/** Options of `MultiheadAttention`, with PyTorch's defaults. */
export interface MultiheadAttentionOptions extends CreateLayerOptions {
  /** Probability of zeroing an attention weight in training mode. Default 0. */
  dropout?: number;
  /** True to add a trained key and a trained value to every sequence. Default false. */
  addBiasKv?: boolean;
  /** True to add a key and a value of zeros to every sequence. Default false. */
  addZeroAttn?: boolean;
  /** Number of features of keys. Default: `embedDim`. */
  kdim?: number;
  /** Number of features of values. Default: `embedDim`. */
  vdim?: number;
  /** True for inputs [N, L, E] instead of [L, N, E]. Default false. */
  batchFirst?: boolean;
}

const optionKeys: OptionKeys<MultiheadAttentionOptions> = {
  ...createLayerKeys,
  ...({ dropout: true, addBiasKv: true, addZeroAttn: true, kdim: true, vdim: true, batchFirst: true } as const),
};

/** Options of one call of `MultiheadAttention`, with PyTorch's defaults. */
export interface MultiheadAttentionCall extends AttentionMasks {
  /** True to return the attention weights too, which is slower and takes memory for L x S weights. Default true. */
  needWeights?: boolean;
  /** True for the mean of the weights of all heads. Default true. */
  averageAttnWeights?: boolean;
  /**
   * True if `attnMask` is the causal mask, by which query i sees keys up to i. Without `needWeights` and a
   * `keyPaddingMask`, attention then does not read `attnMask`, and is faster. Default false.
   */
  isCausal?: boolean;
}

const callKeys: OptionKeys<MultiheadAttentionCall> = {
  ...({ keyPaddingMask: true, attnMask: true, needWeights: true, averageAttnWeights: true, isCausal: true } as const),
};

/** Draws from U(-b, b) with b = √(6 / (in + out)), by Glorot and Bengio 2010. */
function xavierUniform(shape: readonly [number, number], generator?: Generator): Parameter {
  const bound = Math.sqrt(6 / (shape[0] + shape[1]));
  using values = rand(shape, { generator, low: -bound, high: bound });
  return new Parameter(values);
}

/** Draws the additional key or value [1, 1, E] from N(0, 1 / E), as PyTorch does. */
function additional(size: number, generator?: Generator): Parameter {
  using values = randn([1, 1, size], { generator, std: Math.sqrt(1 / size) });
  return new Parameter(values);
}

function zeroParameter(size: number): Parameter {
  using values = zeros([size]);
  return new Parameter(values);
}

/**
 * Attention with several heads and trained projections, as `torch.nn.MultiheadAttention`. Vaswani et al. 2017,
 * https://arxiv.org/abs/1706.03762
 *
 * Parameters have PyTorch's names. `in_proj_weight` [3 E, E] has the projections of queries, keys and values. If `kdim`
 * or `vdim` differ from `embedDim`, these are `q_proj_weight`, `k_proj_weight` and `v_proj_weight` instead.
 *
 * @example
 * ```ts
 * const layer = new MultiheadAttention(64, 4, { batchFirst: true });
 * const [output, weights] = layer.forward(x, x, x); // [N, L, 64], [N, L, L]
 * ```
 */
export class MultiheadAttention extends Module {
  in_proj_weight: Parameter | null = null;
  q_proj_weight: Parameter | null = null;
  k_proj_weight: Parameter | null = null;
  v_proj_weight: Parameter | null = null;
  in_proj_bias: Parameter | null;
  bias_k: Parameter | null = null;
  bias_v: Parameter | null = null;
  out_proj: Linear;
  readonly embedDim: number;
  readonly numHeads: number;
  readonly kdim: number;
  readonly vdim: number;
  readonly dropout: number;
  readonly addZeroAttn: boolean;
  readonly batchFirst: boolean;
  /** Generator of the dropout. */
  readonly generator: Generator;

  /**
   * Creates a layer with PyTorch's initialisation.
   *
   * @param embedDim Number of features E of queries and outputs.
   * @param numHeads Number of heads. Each has E / numHeads features.
   */
  constructor(embedDim: number, numHeads: number, options: MultiheadAttentionOptions = {}) {
    super();
    const example = "new MultiheadAttention(64, 4)";
    checkOptions("MultiheadAttention", options, optionKeys);
    const { dropout = 0, bias = true, addBiasKv = false, addZeroAttn = false, batchFirst = false } = options;
    const { kdim = embedDim, vdim = embedDim, generator } = options;
    expectSizes("MultiheadAttention", [embedDim, numHeads, kdim, vdim], example);
    if (embedDim % numHeads !== 0) {
      throw new Error(
        `MultiheadAttention: embedDim ${embedDim} is not a multiple of numHeads ${numHeads}; choose sizes as in ${example}`,
      );
    }
    if (!(dropout >= 0 && dropout <= 1)) {
      throw new Error(`MultiheadAttention: dropout is ${dropout}; it must be a probability from 0 to 1`);
    }
    if (kdim === embedDim && vdim === embedDim) {
      this.in_proj_weight = xavierUniform([3 * embedDim, embedDim], generator);
    } else {
      this.q_proj_weight = xavierUniform([embedDim, embedDim], generator);
      this.k_proj_weight = xavierUniform([embedDim, kdim], generator);
      this.v_proj_weight = xavierUniform([embedDim, vdim], generator);
    }
    this.in_proj_bias = bias ? zeroParameter(3 * embedDim) : null;
    const { weight } = new Linear(embedDim, embedDim, { bias: false, generator });
    this.out_proj = new Linear(weight, bias ? zeroParameter(embedDim) : null);
    if (addBiasKv) {
      this.bias_k = additional(embedDim, generator);
      this.bias_v = additional(embedDim, generator);
    }
    this.embedDim = embedDim;
    this.numHeads = numHeads;
    this.kdim = kdim;
    this.vdim = vdim;
    this.dropout = dropout;
    this.addZeroAttn = addZeroAttn;
    this.batchFirst = batchFirst;
    this.generator = generator ?? defaultGenerator;
  }

  override get layerKind(): "multiheadAttention" {
    return "multiheadAttention";
  }

  /**
   * Returns the direct child with this name. For "base_layer", it returns this layer, since PEFT's paths of the output
   * projection of adapted attention are "attn.base_layer.out_proj".
   */
  override getChild(name: string): Module | undefined {
    return name === "base_layer" ? this : super.getChild(name);
  }

  /**
   * Returns the output and the attention weights. The weights are null without `needWeights`.
   *
   * @param query [L, N, E], or [N, L, E] with `batchFirst`, or [L, E] without a batch. The output has this shape too.
   * @param key [S, N, kdim], [N, S, kdim] or [S, kdim].
   * @param value [S, N, vdim], [N, S, vdim] or [S, vdim].
   * @param options Masks, and whether to return weights: [N, L, S], or [N, numHeads, L, S] with `averageAttnWeights:
   *   false`.
   *
   * A query without a visible key has the output of a value of zero. PyTorch returns NaN for it with `needWeights`.
   */
  forward(query: Tensor, key: Tensor, value: Tensor, options: MultiheadAttentionCall = {}): [Tensor, Tensor | null] {
    return this.forwardWith(null, query, key, value, options);
  }

  /**
   * Like `forward`, but with another weight [3 E, E] instead of `in_proj_weight`, such as an adapter's. Null for the
   * layer's own weights.
   */
  forwardWith(
    inProjWeight: Tensor | null,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    options: MultiheadAttentionCall = {},
  ): [Tensor, Tensor | null] {
    checkOptions("MultiheadAttention", options, callKeys);
    const { needWeights = true, averageAttnWeights = true, isCausal = false, keyPaddingMask, attnMask } = options;
    if (isCausal && !attnMask) {
      throw new Error(
        "MultiheadAttention: isCausal is given without attnMask; give the causal mask too, as in PyTorch",
      );
    }
    checkInputs(this, query, key, value);
    return scope(() => {
      const [q, k, v] = projected(this, inProjWeight, query, key, value);
      const [batch, heads, queries] = q.shape;
      const added = (this.bias_k ? 1 : 0) + (this.addZeroAttn ? 1 : 0);
      const sizes = { batch, heads, queries, keys: k.shape[2] - added, added };
      const drops: AttentionDropout =
        this.training && this.dropout > 0 ? { dropoutP: this.dropout, generator: this.generator } : {};
      const plain = isCausal && !needWeights && !keyPaddingMask;
      const mask = plain ? null : scoreMask({ keyPaddingMask, attnMask }, sizes);
      const fused = !needWeights && !mask?.isSoft;
      const { sums, weights } = fused
        ? { sums: attendFused({ q, k, v }, mask, plain, drops), weights: null }
        : attendWeighted({ q, k, v }, mask, drops);
      const rows = sums.permute([0, 2, 1, 3]).reshape([batch, queries, this.embedDim]);
      const output = this.out_proj.forward(rows);
      const shown = needWeights && weights ? (averageAttnWeights ? mean(weights, { dim: 1 }) : weights) : null;
      if (query.ndim === 2) return [output.squeeze(0), shown?.squeeze(0) ?? null];
      return [this.batchFirst ? output : output.transpose(0, 1), shown];
    });
  }
}

// Functions instead of private methods, since copies of a module's structure lack private names.

function checkInputs(layer: MultiheadAttention, query: Tensor, key: Tensor, value: Tensor): void {
  const { embedDim, kdim, vdim, batchFirst } = layer;
  const given = { query, key, value };
  const [batchDim, dims] = batchFirst ? [0, "[N, L, features]"] : [1, "[L, N, features]"];
  for (const [name, features] of Object.entries({ query: embedDim, key: kdim, value: vdim })) {
    const { shape } = given[name as keyof typeof given];
    const fits = (shape.length === 2 || shape.length === 3) && shape.length === query.ndim;
    if (fits && shape.at(-1) === features && (shape.length === 2 || shape[batchDim] === query.shape[batchDim])) {
      continue;
    }
    throw new Error(
      `MultiheadAttention: ${name} is ${formatShape(shape)} with a query ${formatShape(query.shape)}; it must be ${dims}, or [L, features] for all three, with ${features} features`,
    );
  }
  const lengthDim = query.ndim === 2 ? 0 : 1 - batchDim;
  if (key.shape[lengthDim] === value.shape[lengthDim]) return;
  throw new Error(
    `MultiheadAttention: key ${formatShape(key.shape)} and value ${formatShape(value.shape)} differ in length`,
  );
}

/** Returns queries, keys and values by heads, [N, H, L, D], with the additional keys and values at the end. */
function projected(
  layer: MultiheadAttention,
  inProjWeight: Tensor | null,
  query: Tensor,
  key: Tensor,
  value: Tensor,
): Tensor[] {
  const { embedDim, numHeads, in_proj_bias: bias } = layer;
  const inProj = inProjWeight ?? layer.in_proj_weight;
  const rowsFirst = (x: Tensor) => (x.ndim === 2 ? x.unsqueeze(0) : layer.batchFirst ? x : x.transpose(0, 1));
  let parts: Tensor[];
  if (inProj && query === key && key === value) {
    parts = chunk(linear(rowsFirst(query), inProj, bias), 3, { dim: -1 });
  } else {
    const biases = bias ? chunk(bias, 3) : [null, null, null];
    const weights = inProj ? chunk(inProj, 3) : [layer.q_proj_weight!, layer.k_proj_weight!, layer.v_proj_weight!];
    parts = [query, key, value].map((x, i) => linear(rowsFirst(x), weights[i], biases[i]));
  }
  const [q, k, v] = parts;
  const [batch] = q.shape;
  const row = [batch, 1, embedDim];
  const extended = (x: Tensor, extra: Parameter | null) => {
    const rows = extra ? [x, expand(extra, row)] : [x];
    if (layer.addZeroAttn) rows.push(zeros(row, { backend: x.storage.backend }));
    return rows.length > 1 ? cat(rows, { dim: 1 }) : x;
  };
  return [q, extended(k, layer.bias_k), extended(v, layer.bias_v)].map((x) =>
    x.reshape([batch, x.shape[1], numHeads, embedDim / numHeads]).permute([0, 2, 1, 3]),
  );
}
