import type { TensorSpec } from "../../backends/backend.ts";
import { expectDType } from "../../engine/op.ts";
import type { TypedArray } from "../../layout/dtype.ts";
import { broadcastStrides, formatShape, sameShape } from "../../layout/shape.ts";

/** Options of `attention`: the scale of its scores and the keys that each query attends to. */
export interface AttentionParams {
  /** Query i attends only to keys up to its own position S - T + i. Default false. */
  readonly causal?: boolean;
  /** Factor by which the products of queries and keys are multiplied. Default 1 / sqrt(D). */
  readonly scale?: number;
  /** Number of rows of k and v in use, for caches with spare capacity. Default: all. */
  readonly keyLength?: number;
  /**
   * Sliding window: each query attends to this many positions, including its own. Requires `causal`. Default: no
   * window.
   */
  readonly window?: number;
  /** Soft cap: scores s become softcap * tanh(s / softcap), as in Gemma 2. Default: no cap. */
  readonly softcap?: number;
}

/** The sizes of one attention call, with defaults filled in. */
export interface Geometry {
  readonly batch: number;
  readonly queries: number;
  /** Number of keys in use (`keyLength`). `capacity` is the number of rows that k and v have. */
  readonly keys: number;
  readonly capacity: number;
  readonly heads: number;
  readonly kvHeads: number;
  /** Number of query heads that share a key head. */
  readonly group: number;
  readonly size: number;
  readonly scale: number;
  readonly causal: boolean;
  /** Length of the sliding window in positions; 0 if there is none. */
  readonly window: number;
  /** Soft cap of the scores; 0 if there is none. */
  readonly softcap: number;
  /** Strides of the mask, in elements, between batch rows, heads and queries. */
  readonly maskStrides: readonly [batch: number, head: number, query: number];
}

/** Checks the inputs (q, k, v, mask?) and returns their sizes. */
export function geometry(op: string, inputs: readonly TensorSpec[], params: AttentionParams): Geometry {
  for (let i = 0; i < 3; i++) expectDType(op, inputs, i, "f32");
  const [{ shape: q }, { shape: k }, { shape: v }] = inputs;
  const mask = inputs[3]?.shape;
  const shapes = () => `q ${formatShape(q)}, k ${formatShape(k)}, v ${formatShape(v)}`;
  if (q.length !== 4 || k.length !== 4 || !sameShape(k, v) || q[0] !== k[0] || q[3] !== k[3]) {
    throw new Error(`${op}: ${shapes()} must be [B,T,H,D], [B,S,Hkv,D] and [B,S,Hkv,D]`);
  }
  const [batch, queries, heads, size] = q;
  const [, capacity, kvHeads] = k;
  const { keyLength: keys = capacity, scale = 1 / Math.sqrt(size), causal = false, window = 0, softcap = 0 } = params;
  if (!(heads % kvHeads === 0)) {
    throw new Error(`${op}: ${heads} query heads are not a multiple of ${kvHeads} key heads (${shapes()})`);
  }
  if (!(keys >= 0 && keys <= capacity)) {
    throw new Error(`${op}: keyLength ${keys} must be within the ${capacity} rows of k ${formatShape(k)}`);
  }
  if (window > 0 && !causal) throw new Error(`${op}: a window of ${window} needs causal: true`);
  const sizes = { batch, queries, keys, capacity, heads, kvHeads, group: heads / kvHeads, size };
  const maskStrides = mask ? stridesOfMask(op, inputs[3], [batch, heads, queries, keys]) : ([0, 0, 0] as const);
  return { ...sizes, scale, causal, window, softcap, maskStrides };
}

function stridesOfMask(op: string, mask: TensorSpec, target: readonly number[]): [number, number, number] {
  const { shape } = mask;
  if (mask.dtype !== "bool" && mask.dtype !== "u8") {
    throw new Error(`${op}: the mask ${formatShape(shape)} is ${mask.dtype}, expected bool or u8 (true = attend)`);
  }
  const lead = 4 - shape.length;
  const fits = lead >= 0 && shape.every((n, d) => n === target[d + lead] || (n === 1 && d + lead < 3));
  if (!fits) {
    throw new Error(`${op}: the mask ${formatShape(shape)} does not broadcast to [B,H,T,S] = ${formatShape(target)}`);
  }
  const [b, h, i] = broadcastStrides(shape, target);
  return [b, h, i];
}

/** Returns true if query `i` of head `h` may attend to key `j`. */
export function isAllowed(
  g: Geometry,
  mask: TypedArray | undefined,
  b: number,
  h: number,
  i: number,
  j: number,
): boolean {
  const ahead = j - (g.keys - g.queries + i);
  if (g.causal && (ahead > 0 || (g.window > 0 && ahead <= -g.window))) return false;
  const [mb, mh, mi] = g.maskStrides;
  return mask?.[b * mb + h * mh + i * mi + j] !== 0;
}

/** Returns the first key that query `i` of causal attention may attend to, and the key after the last one. */
export function causalKeys({ queries, keys, window }: Geometry, i: number): readonly [first: number, end: number] {
  const end = Math.max(0, keys - queries + i + 1);
  return [window > 0 ? Math.max(0, end - window) : 0, end];
}
