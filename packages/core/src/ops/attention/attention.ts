import type { TensorSpec, View } from "../../backends/backend.ts";
import { checkCall, defineOp, expectDType, type Op, type Planned } from "../../engine/op.ts";
import type { Tensor } from "../../engine/tensor.ts";
import type { OptionKeys } from "../../internal/checkOptions.ts";
import { sameShape } from "../../layout/shape.ts";
import { defaultGenerator } from "../../random/manualSeed.ts";
import type { Generator } from "../../random/random.ts";
import { composeAttention, composeAttentionBackward } from "./attentionComposed.ts";
import { attentionDropout } from "./attentionDropout.ts";
import { type AttentionParams, type Geometry, geometry, isAllowed } from "./attentionGeometry.ts";

/**
 * Calls `row` for each query i of each batch entry b and head h. `keys` lists the positions that the query may attend
 * to.
 */
function forEachQuery(
  g: Geometry,
  mask: View | undefined,
  row: (b: number, h: number, i: number, keys: number[]) => void,
) {
  for (let b = 0; b < g.batch; b++) {
    for (let h = 0; h < g.heads; h++) {
      for (let i = 0; i < g.queries; i++) {
        const keys: number[] = [];
        for (let j = 0; j < g.keys; j++) if (isAllowed(g, mask?.data, b, h, i, j)) keys.push(j);
        row(b, h, i, keys);
      }
    }
  }
}

const queryAt = (g: Geometry, b: number, h: number, i: number) => ((b * g.queries + i) * g.heads + h) * g.size;
const keyAt = (g: Geometry, b: number, h: number, j: number) =>
  ((b * g.capacity + j) * g.kvHeads + Math.floor(h / g.group)) * g.size;

function dot(a: View, ia: number, b: View, ib: number, n: number): number {
  let sum = 0;
  for (let d = 0; d < n; d++) sum += a.data[ia + d] * b.data[ib + d];
  return sum;
}

function score(g: Geometry, q: View, iq: number, k: View, ik: number): number {
  const s = g.scale * dot(q, iq, k, ik, g.size);
  return g.softcap > 0 ? g.softcap * Math.tanh(s / g.softcap) : s;
}

/**
 * The op behind `attention`. Its second output is the log-sum-exp of each query's scores, [B, H, T], which the gradient
 * needs.
 */
export const attentionOp: Op<number, AttentionParams, 2, Planned<AttentionParams, Geometry>> = defineOp({
  name: "attention",
  arity: [3, 4],
  shape: (inputs, params) => {
    const g = geometry("attention", inputs, params);
    return [
      { shape: inputs[0].shape, dtype: "f32" },
      { shape: [g.batch, g.heads, g.queries], dtype: "f32" },
    ];
  },
  ref: ([q, k, v, mask], [out, lse], params) => {
    const g = geometry("attention", mask ? [q, k, v, mask] : [q, k, v], params);
    out.data.fill(0);
    forEachQuery(g, mask, (b, h, i, keys) => {
      const iq = queryAt(g, b, h, i);
      const scores = keys.map((j) => score(g, q, iq, k, keyAt(g, b, h, j)));
      const top = scores.reduce((a, s) => Math.max(a, s), -Infinity);
      const weights = scores.map((s) => Math.exp(s - top));
      const total = weights.reduce((a, w) => a + w, 0);
      lse.data[(b * g.heads + h) * g.queries + i] = keys.length > 0 ? top + Math.log(total) : 0;
      for (let d = 0; d < g.size; d++) {
        let sum = 0;
        for (const [n, j] of keys.entries()) sum += weights[n] * v.data[keyAt(g, b, h, j) + d];
        if (keys.length > 0) out.data[iq + d] = sum / total;
      }
    });
  },
  compose: composeAttention,
  plan: (inputs, _outputs, params) => geometry("attention", inputs, params),
  saves: (needs) => ({ inputs: needs.map((_, i) => i), outputs: [0, 1] }),
  vjp: ({ grads: [dout], inputs: [q, k, v, ...mask], outputs: [out, lse], params }) => [
    ...attentionBackward(dout, q, k, v, out, lse, ...mask, params),
    ...mask.map(() => null),
  ],
});

/**
 * The gradient of `attention`: maps (dout, q, k, v, out, lse, mask?) to dq, dk, dv. `lse` is the log-sum-exp that the
 * forward pass returned; it allows the weights to be recomputed tile by tile.
 */
export const attentionBackward: Op<number, AttentionParams, 3, Planned<AttentionParams, Geometry>> = defineOp({
  name: "attentionBackward",
  arity: [6, 7],
  shape: (inputs, params) => {
    const [dout, q, k, v, out, lse, ...mask] = inputs;
    const g = geometry("attentionBackward", [q, k, v, ...mask], params);
    expectDType("attentionBackward", inputs, 0, "f32");
    if (!sameShape(dout.shape, q.shape) || !sameShape(out.shape, q.shape)) {
      throw new Error(`attentionBackward: the gradient must have the shape of q`);
    }
    if (!sameShape(lse.shape, [g.batch, g.heads, g.queries]))
      throw new Error("attentionBackward: lse must be [B, H, T]");
    return [q, k, v].map(({ shape }): TensorSpec => ({ shape, dtype: "f32" }));
  },
  ref: ([dout, q, k, v, out, lse, mask], [dq, dk, dv], params) => {
    const g = geometry("attentionBackward", mask ? [q, k, v, mask] : [q, k, v], params);
    for (const grad of [dq, dk, dv]) grad.data.fill(0);
    forEachQuery(g, mask, (b, h, i, keys) => {
      const iq = queryAt(g, b, h, i);
      const row = (b * g.heads + h) * g.queries + i;
      const delta = dot(dout, iq, out, iq, g.size);
      for (const j of keys) {
        const ik = keyAt(g, b, h, j);
        const s = score(g, q, iq, k, ik);
        const p = Math.exp(s - lse.data[row]);
        const slope = g.softcap > 0 ? 1 - (s / g.softcap) ** 2 : 1;
        const ds = p * (dot(dout, iq, v, ik, g.size) - delta) * slope * g.scale;
        for (let d = 0; d < g.size; d++) {
          dq.data[iq + d] += ds * k.data[ik + d];
          dk.data[ik + d] += ds * q.data[iq + d];
          dv.data[ik + d] += p * dout.data[iq + d];
        }
      }
    });
  },
  plan: ([, q, k, v, , , ...mask], _outputs, params) => geometry("attentionBackward", [q, k, v, ...mask], params),
  compose: composeAttentionBackward,
});

/** Options for dropout on attention weights. */
export interface AttentionDropout {
  /** The probability that a weight is zeroed. Other weights are divided by 1 - dropoutP. Default 0. */
  readonly dropoutP?: number;
  /**
   * Generator that selects the weights to zero. Each call advances it by B * H * T * S values. Default: the generator
   * that `manualSeed` seeds.
   */
  readonly generator?: Generator;
}

/** Options of `attention`. */
export interface AttentionOptions extends AttentionParams, AttentionDropout {
  /** bool or u8, true = attend. Broadcasts to [B, H, T, S]. */
  readonly mask?: Tensor;
}

const optionKeys: OptionKeys<AttentionOptions> = {
  ...({ causal: true, scale: true, keyLength: true, window: true, softcap: true } as const),
  ...({ dropoutP: true, generator: true, mask: true } as const),
};

/**
 * Returns softmax(scale * q kᵀ) v for q [B, T, H, D] and k, v [B, S, Hkv, D], as [B, T, H, D]. H is a multiple of Hkv:
 * each key head serves H / Hkv query heads. `mask` (bool or u8, true = attend) broadcasts to [B, H, T, S]. A query with
 * no key to attend to gives zeros. The T x S weights exist only tile by tile, unless `dropoutP` is set. Dao et al.
 * 2022, https://arxiv.org/abs/2205.14135
 */
export function attention(q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions = {}): Tensor {
  checkCall("attention", 3, arguments, options, optionKeys);
  const { mask, dropoutP = 0, generator, ...params } = options;
  const inputs = mask ? [q, k, v, mask] : [q, k, v];
  if (dropoutP !== 0) return withDropout(inputs, params, { dropoutP, generator });
  const [out, lse] = attentionOp(...inputs, params);
  lse.dispose();
  return out;
}

function withDropout(
  inputs: Tensor[],
  params: AttentionParams,
  { dropoutP: p, generator = defaultGenerator }: AttentionDropout,
): Tensor {
  if (!(p !== undefined && p >= 0 && p <= 1)) {
    throw new Error(`attention: dropoutP is ${p}; it must be a probability from 0 to 1`);
  }
  const { batch, heads, queries, keys } = geometry("attention", inputs, params);
  const out = attentionDropout(...inputs, { ...params, p, state: generator.state });
  generator.offset += batch * heads * queries * keys;
  return out;
}
