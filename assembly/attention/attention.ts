// Attention over tiles of the T x S weights, forward and backward. Dao et al. 2022,
// https://arxiv.org/abs/2205.14135
import { clearBytes } from "../simd/bytes";
import { gemm } from "../gemm/gemm";
import { scratch as own } from "../simd/gemmState";
import { dot } from "../simd/dot";
import { loadPart, storePart } from "../simd/lanes";
import { rowMax, sumExp } from "../simd/logSumExp";
import { expAll, expOf } from "../simd/math";
import { scaleInPlace } from "../simd/scaleInPlace";
import { tanh } from "../elementwise/unary";

/**
 * Number of queries in a tile of scores; TILE_KEYS is the number of keys. 60 is a multiple of the heights of gemm's
 * register tiles, and wastes little work above the diagonal.
 */
const TILE_ROWS: i32 = 60;
const TILE_KEYS: i32 = 256;

/**
 * If there are fewer query positions than this, a tile holds the queries of one position, for all heads that share a
 * key head. Otherwise it holds the queries of many positions, for one head.
 */
const FEW_QUERIES: i32 = 8;

/** Score of a masked pair. It is finite, so that differences between scores are not NaN. */
const HIDDEN: f32 = -1e30;

/**
 * Returns the size in bytes of the scratch memory that `attention` and `attentionBackward` need: two tiles of scores
 * and three floats per row.
 */
export function attentionScratch(): i32 {
  return 4 * TILE_ROWS * (2 * TILE_KEYS + 3);
}

/**
 * Returns the index of the first key that the query at position `at` attends to. A sliding window and the start of the
 * query's document can limit it. `start` is the address of an i32, the index of the document's first key, or 0 if there
 * are no documents.
 */
// @ts-ignore: decorator
@inline
function firstKey(at: i32, window: i32, start: usize): i32 {
  const first = window ? max(0, at - window + 1) : 0;
  return start ? max(first, load<i32>(start)) : first;
}

// @ts-ignore: decorator
@inline
function endKey(at: i32, keys: i32, causal: i32): i32 {
  return causal ? max(0, min(keys, at + 1)) : keys;
}

/** Returns the first key that any of `rows` queries attends to. The first query is at position `at`. */
function firstKeyOf(rows: i32, at: i32, atStep: i32, window: i32, starts: usize): i32 {
  let first = firstKey(at, window, starts);
  if (starts) {
    for (let r = 1; r < rows; r++) first = min(first, firstKey(at + r * atStep, window, startOf(starts, r, atStep)));
  }
  return first;
}

/**
 * Returns the address of a row's entry in the list `starts`: the index (i32) of the first key of the row's document.
 * Returns 0 if there are no documents. If `atStep` is 0, all rows have the same position and share one entry.
 */
// @ts-ignore: decorator
@inline
function startOf(starts: usize, row: i32, atStep: i32): usize {
  return starts ? starts + (<usize>(row * atStep) << 2) : 0;
}

/**
 * Applies the soft cap to n scores, and replaces scores whose mask byte is 0 by the score of masked pairs. `mask` is 0
 * if there is no mask.
 */
export function bend(s: usize, n: i32, mask: usize, softcap: f32): void {
  const cap = f32x4.splat(softcap);
  const hidden = f32x4.splat(HIDDEN);
  const zero = f32x4.splat(0);
  if (softcap > 0) {
    for (let i = 0; i < n; i += 4) {
      const at = s + (<usize>i << 2);
      storePart(at, f32x4.div(loadPart(at, n - i, zero), cap), n - i);
    }
    tanh(s, s, n);
  }
  for (let i = 0; i < n; i += 4) {
    const at = s + (<usize>i << 2);
    let v = loadPart(at, n - i, zero);
    if (softcap > 0) v = f32x4.mul(cap, v);
    if (mask) {
      let seen = v128.load8_lane(mask + i, zero, 0);
      if (n - i > 1) seen = v128.load8_lane(mask + i + 1, seen, 4);
      if (n - i > 2) seen = v128.load8_lane(mask + i + 2, seen, 8);
      if (n - i > 3) seen = v128.load8_lane(mask + i + 3, seen, 12);
      v = v128.bitselect(hidden, v, i32x4.eq(seen, zero));
    }
    storePart(at, v, n - i);
  }
}

/**
 * Number of rows (or keys) that are computed together along the diagonal of a causal tile: two register tiles of gemm.
 */
const STEP: i32 = 12;

/**
 * Returns the number of keys that every row of a tile attends to, rounded down to a multiple of 8. If `rise` is 0,
 * every row attends to all n keys of the tile. Otherwise row r attends to the first `base + r * rise` of them.
 */
// @ts-ignore: decorator
@inline
function sharedKeys(n: i32, base: i32, rise: i32): i32 {
  return rise ? max(0, min(n, base & ~7)) : n;
}

/**
 * Computes scores[rows, n] = scale * q * kᵀ. One product covers the keys that all rows attend to. Then one product for
 * every STEP rows covers the keys up to the diagonal. Scores beyond the diagonal are left unchanged.
 */
function scoreTile(
  q: usize, k: usize, scores: usize, rows: i32, n: i32, size: i32, qStep: i32, kStep: i32, scale: f32, base: i32, rise: i32,
): void {
  const shared = sharedKeys(n, base, rise);
  gemm(q, k, scores, rows, shared, size, qStep, kStep, n, 0, 1, scale, 0);
  if (shared == n) return;
  k += <usize>(shared * kStep) << 2;
  scores += <usize>shared << 2;
  for (let r = 0; r < rows; r += STEP) {
    const count = min(STEP, rows - r);
    const seen = min(n, base + (r + count - 1) * rise) - shared;
    gemm(q + (<usize>(r * qStep) << 2), k, scores + (<usize>(r * n) << 2), count, seen, size, qStep, kStep, n, 0, 1, scale, 0);
  }
}

/**
 * Computes out[rows, size] += p[rows, n] * v. Leaves out keys beyond the diagonal, for which `scoreTile` computes no
 * scores.
 */
function mixTile(
  p: usize, v: usize, out: usize, rows: i32, n: i32, size: i32, vStep: i32, outStep: i32, base: i32, rise: i32,
): void {
  const shared = sharedKeys(n, base, rise);
  gemm(p, v, out, rows, size, shared, n, vStep, outStep, 0, 0, 1, 1);
  if (shared == n) return;
  p += <usize>shared << 2;
  v += <usize>(shared * vStep) << 2;
  for (let r = 0; r < rows; r += STEP) {
    const count = min(STEP, rows - r);
    const seen = min(n, base + (r + count - 1) * rise) - shared;
    gemm(p + (<usize>(r * n) << 2), v, out + (<usize>(r * outStep) << 2), count, size, seen, n, vStep, outStep, 0, 0, 1, 1);
  }
}

/**
 * Computes out[n, size] += pᵀ * x for p [rows, n] and x [rows, size]. Keys along the diagonal are processed STEP at a
 * time, without the rows that attend to none of them.
 */
function mixKeys(
  p: usize, x: usize, out: usize, rows: i32, n: i32, size: i32, xStep: i32, outStep: i32, base: i32, rise: i32,
): void {
  const shared = sharedKeys(n, base, rise);
  gemm(p, x, out, shared, size, rows, n, xStep, outStep, 1, 0, 1, 1);
  for (let j = shared; j < n; j += STEP) {
    const from = max(0, j - base + 1);
    gemm(
      p + (<usize>(from * n + j) << 2), x + (<usize>(from * xStep) << 2), out + (<usize>(j * outStep) << 2),
      min(STEP, n - j), size, rows - from, n, xStep, outStep, 1, 0, 1, 1,
    );
  }
}

/**
 * Computes the attention of `rows` queries to all their keys. Query r has the position `at` + r * atStep. It starts at
 * r * qStep floats in q and out. Its log-sum-exp is at r * lseStep floats in `lse`, and its mask at r * maskStep bytes
 * in `mask`. Keys are kStep floats apart, and so are values.
 */
function attend(
  q: usize, k: usize, v: usize, mask: usize, out: usize, lse: usize, tile: usize, rows: i32, keys: i32, size: i32,
  qStep: i32, kStep: i32, lseStep: i32, maskStep: i32, at: i32, atStep: i32, scale: f32, causal: i32, window: i32, softcap: f32,
  starts: usize,
): void {
  const tops = tile + ((TILE_ROWS * TILE_KEYS) << 2);
  const totals = tops + (TILE_ROWS << 2);
  for (let r = 0; r < rows; r++) {
    store<f32>(tops + (<usize>r << 2), -Infinity);
    store<f32>(totals + (<usize>r << 2), 0);
    clearBytes(out + (<usize>(r * qStep) << 2), <usize>size << 2);
  }
  const end = endKey(at + (rows - 1) * atStep, keys, causal);
  for (let j = firstKeyOf(rows, at, atStep, window, starts); j < end; j += TILE_KEYS) {
    const n = min(TILE_KEYS, end - j);
    const ahead = (<usize>j * <usize>kStep) << 2;
    const base = endKey(at, keys, causal) - j;
    const rise = causal ? atStep : 0;
    scoreTile(q, k + ahead, tile, rows, n, size, qStep, kStep, scale, base, rise);
    for (let r = 0; r < rows; r++) {
      const row = tile + (<usize>(r * n) << 2);
      const from = min(n, max(0, firstKey(at + r * atStep, window, startOf(starts, r, atStep)) - j));
      const to = max(from, min(n, endKey(at + r * atStep, keys, causal) - j));
      const seen = row + (<usize>from << 2);
      if (mask || softcap > 0) bend(seen, to - from, mask ? mask + r * maskStep + j + from : 0, softcap);
      const top = load<f32>(tops + (<usize>r << 2));
      const next = max(top, rowMax(seen, to - from));
      if (next <= HIDDEN) {
        clearBytes(row, <usize>n << 2);
        continue;
      }
      clearBytes(row, <usize>from << 2);
      clearBytes(row + (<usize>to << 2), <usize>(n - to) << 2);
      const sum = sumExp(seen, seen, to - from, next);
      const rescale = expOf(top - next);
      const total = totals + (<usize>r << 2);
      store<f32>(total, <f32>(<f64>load<f32>(total) * <f64>rescale + sum));
      store<f32>(tops + (<usize>r << 2), next);
      if (rescale != 1) scaleInPlace(out + (<usize>(r * qStep) << 2), size, rescale);
    }
    mixTile(tile, v + ahead, out, rows, n, size, kStep, qStep, base, rise);
  }
  for (let r = 0; r < rows; r++) {
    const total = load<f32>(totals + (<usize>r << 2));
    const none = total == 0;
    const log: f32 = none ? 0 : load<f32>(tops + (<usize>r << 2)) + <f32>Math.log(<f64>total);
    store<f32>(lse + (<usize>(r * lseStep) << 2), log);
    if (!none) scaleInPlace(out + (<usize>(r * qStep) << 2), size, 1 / total);
  }
}

/**
 * Computes attention for the key heads first..last-1, numbered over the whole batch. q and out are [batch, queries,
 * heads, size], k and v [batch, capacity, heads / group, size], lse [batch, heads, queries]. The strides of the mask
 * are in bytes. `starts`, i32 [batch, queries], holds the first key of each query; 0 means that all queries start at
 * key 0.
 */
export function attention(
  q: usize, k: usize, v: usize, mask: usize, out: usize, lse: usize, scratch: usize, first: i32, last: i32,
  queries: i32, keys: i32, capacity: i32, heads: i32, group: i32, size: i32, scale: f32, causal: i32, window: i32, softcap: f32,
  maskBatch: i32, maskHead: i32, maskQuery: i32, starts: usize,
): void {
  const kvHeads = heads / group;
  const qStep = heads * size;
  const kStep = kvHeads * size;
  for (let index = first; index < last; index++) {
    const b = index / kvHeads;
    const h0 = (index % kvHeads) * group;
    const kv = (<usize>(b * capacity) * <usize>kStep + <usize>((index % kvHeads) * size)) << 2;
    for (let g = 0; g < group; g++) {
      const few = queries < FEW_QUERIES;
      if (few && g % TILE_ROWS) continue;
      const h = h0 + g;
      for (let i = 0; i < queries; i += few ? 1 : TILE_ROWS) {
        const qo = (<usize>((b * queries + i) * heads + h) * <usize>size) << 2;
        const row = lse + (<usize>((b * heads + h) * queries + i) << 2);
        const m = mask ? mask + b * maskBatch + h * maskHead + i * maskQuery : 0;
        const at = keys - queries + i;
        const start = startOf(starts, b * queries + i, 1);
        if (few) {
          const rows = min(TILE_ROWS, group - g);
          attend(q + qo, k + kv, v + kv, m, out + qo, row, scratch, rows, keys, size, size, kStep, queries, maskHead, at, 0, scale, causal, window, softcap, start);
        } else {
          const rows = min(TILE_ROWS, queries - i);
          attend(q + qo, k + kv, v + kv, m, out + qo, row, scratch, rows, keys, size, qStep, kStep, 1, maskQuery, at, 1, scale, causal, window, softcap, start);
        }
      }
    }
  }
}

/**
 * Backward step for one row of a tile. Overwrites the n scores at s with the attention weights p, and the n products
 * dout · v at d with the gradients of the scores, p * (product - delta) * scale.
 */
function pullRow(s: usize, d: usize, n: i32, lse: f32, delta: f32, scale: f32, softcap: f32): void {
  const zero = f32x4.splat(0);
  const one = f32x4.splat(1);
  const level = f32x4.splat(delta);
  const factor = f32x4.splat(scale);
  const inverse = f32x4.splat(1 / softcap);
  expAll(s, own, n, 1, -lse);
  let weights = own;
  for (; n > 0; n -= 4) {
    const score = loadPart(s, n, zero);
    const p = v128.load(weights);
    let ds = f32x4.mul(f32x4.mul(p, f32x4.sub(loadPart(d, n, zero), level)), factor);
    if (softcap > 0) {
      const bent = f32x4.mul(score, inverse);
      // A masked score is far beyond the cap; its weight is 0 anyway.
      ds = f32x4.mul(ds, f32x4.max(zero, f32x4.sub(one, f32x4.mul(bent, bent))));
    }
    storePart(s, p, n);
    storePart(d, ds, n);
    weights += 16;
    s += 16;
    d += 16;
  }
}

/**
 * Adds the gradients of `rows` queries of one head to dq, dk and dv. The positions and strides of queries and keys are
 * given as in `attend`.
 */
function pullTile(
  dout: usize, q: usize, k: usize, v: usize, out: usize, lse: usize, mask: usize, dq: usize, dk: usize, dv: usize, tile: usize,
  rows: i32, keys: i32, size: i32, qStep: i32, kStep: i32, maskStep: i32, at: i32, scale: f32, causal: i32, window: i32, softcap: f32,
  starts: usize,
): void {
  const products = tile + ((TILE_ROWS * TILE_KEYS) << 2);
  const deltas = products + ((TILE_ROWS * TILE_KEYS) << 2);
  for (let r = 0; r < rows; r++) {
    const offset = <usize>(r * qStep) << 2;
    store<f32>(deltas + (<usize>r << 2), dot(dout + offset, out + offset, size));
    clearBytes(dq + offset, <usize>size << 2);
  }
  const end = endKey(at + rows - 1, keys, causal);
  for (let j = firstKeyOf(rows, at, 1, window, starts); j < end; j += TILE_KEYS) {
    const n = min(TILE_KEYS, end - j);
    const ahead = (<usize>j * <usize>kStep) << 2;
    const base = endKey(at, keys, causal) - j;
    const rise = causal ? 1 : 0;
    scoreTile(q, k + ahead, tile, rows, n, size, qStep, kStep, scale, base, rise);
    scoreTile(dout, v + ahead, products, rows, n, size, qStep, kStep, 1, base, rise);
    for (let r = 0; r < rows; r++) {
      const row = <usize>(r * n) << 2;
      const from = min(n, max(0, firstKey(at + r, window, startOf(starts, r, 1)) - j));
      const to = max(from, min(n, endKey(at + r, keys, causal) - j));
      const seen = row + (<usize>from << 2);
      if (mask || softcap > 0) bend(tile + seen, to - from, mask ? mask + r * maskStep + j + from : 0, softcap);
      pullRow(tile + seen, products + seen, to - from, load<f32>(lse + (<usize>r << 2)), load<f32>(deltas + (<usize>r << 2)), scale, softcap);
      clearEnds(tile + row, n, from, to);
      clearEnds(products + row, n, from, to);
    }
    mixKeys(tile, dout, dv + ahead, rows, n, size, qStep, kStep, base, rise);
    mixKeys(products, q, dk + ahead, rows, n, size, qStep, kStep, base, rise);
    mixTile(products, k + ahead, dq, rows, n, size, kStep, qStep, base, rise);
  }
}

/** Sets a row of n floats to zero except for the elements from..to-1. */
// @ts-ignore: decorator
@inline
function clearEnds(row: usize, n: i32, from: i32, to: i32): void {
  clearBytes(row, <usize>from << 2);
  clearBytes(row + (<usize>to << 2), <usize>(n - to) << 2);
}

/** Computes the gradients of `attention` for the key heads first..last-1. dk and dv must be zero at the start. */
export function attentionBackward(
  dout: usize, q: usize, k: usize, v: usize, out: usize, lse: usize, mask: usize, dq: usize, dk: usize, dv: usize, scratch: usize,
  first: i32, last: i32, queries: i32, keys: i32, capacity: i32, heads: i32, group: i32, size: i32, scale: f32, causal: i32, window: i32,
  softcap: f32, maskBatch: i32, maskHead: i32, maskQuery: i32, starts: usize,
): void {
  const kvHeads = heads / group;
  const qStep = heads * size;
  const kStep = kvHeads * size;
  for (let index = first; index < last; index++) {
    const b = index / kvHeads;
    const kv = (<usize>(b * capacity) * <usize>kStep + <usize>((index % kvHeads) * size)) << 2;
    for (let g = 0; g < group; g++) {
      const h = (index % kvHeads) * group + g;
      for (let i = 0; i < queries; i += TILE_ROWS) {
        const qo = (<usize>((b * queries + i) * heads + h) * <usize>size) << 2;
        const row = lse + (<usize>((b * heads + h) * queries + i) << 2);
        const m = mask ? mask + b * maskBatch + h * maskHead + i * maskQuery : 0;
        const rows = min(TILE_ROWS, queries - i);
        pullTile(
          dout + qo, q + qo, k + kv, v + kv, out + qo, row, m, dq + qo, dk + kv, dv + kv, scratch,
          rows, keys, size, qStep, kStep, maskQuery, keys - queries + i, scale, causal, window, softcap,
          startOf(starts, b * queries + i, 1),
        );
      }
    }
  }
}
