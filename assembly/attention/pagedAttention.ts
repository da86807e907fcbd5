// Attention of rows of many sequences to keys and values in pages of pools.
//
// The bits of a row depend only on its query and position, and on the keys and values that it attends to, regardless of
// the other rows of the batch:
// - A score adds its products lane by lane from the first element to the last.
// - Keys are processed in blocks that begin at multiples of KEYS from position 0 of the sequence. Within a block the
//   row's largest score and its sum include only positions that this row attends to.
// - Values are added in the order of positions. A tile of several rows covers the positions that all of them attend to.
//   The positions before and after, which only one row attends to, are added for that row alone.
//
// Tiles, threads and pages only decide which of these sums are computed in parallel.
import { bend } from "./attention";
import { clearBytes } from "../simd/bytes";
import { ZEROS } from "../gemm/gemmTile";
import { madd, loadPart, storePart, sumOf } from "../simd/lanes";
import { rowMax, sumExp } from "../simd/logSumExp";
import { scaleInPlace } from "../simd/scaleInPlace";
import { expOf } from "../simd/math";
import { readLines } from "../simd/readAhead";

/**
 * Maximum number of queries that are processed together with a loaded block of keys. A query is one head of one row.
 */
const QUERIES: i32 = 48;

/** Number of positions in a block of keys. */
const KEYS: i32 = 128;

/** Distance in bytes from the scores of one query to the scores of the next. */
const SCORES: usize = 4 * KEYS;

// The parts of the scratch memory after the scores: one word for each query, or for each key.
const TOPS: usize = QUERIES * SCORES;
const TOTALS: usize = TOPS + 4 * QUERIES;
/**
 * Offset in scratch memory of a list with one entry per query: the query's offset in q, in bytes. Its output has the
 * same offset in out.
 */
const OFFSETS: usize = TOTALS + 4 * QUERIES;
/**
 * Offset in scratch memory of the first of four lists with one entry per query. FROMS holds the first position that the
 * query attends to, and ENDS the position after the last one, both within the sequence. BLOCK_FROMS and BLOCK_ENDS hold
 * the same two positions within the current block.
 */
const FROMS: usize = OFFSETS + 4 * QUERIES;
const ENDS: usize = FROMS + 4 * QUERIES;
const BLOCK_FROMS: usize = ENDS + 4 * QUERIES;
const BLOCK_ENDS: usize = BLOCK_FROMS + 4 * QUERIES;
/** Offset in scratch memory of a list with the address of each key in the block. */
const ADDRESSES: usize = BLOCK_ENDS + 4 * QUERIES;

/** Returns the size in bytes of the scratch memory that `pagedAttention` needs. */
export function pagedAttentionScratch(): i32 {
  return <i32>ADDRESSES + 4 * KEYS;
}

// @ts-ignore: decorator
@inline
function word(list: usize, i: i32): i32 {
  return load<i32>(list + (<usize>i << 2));
}

// @ts-ignore: decorator
@inline
function setWord(list: usize, i: i32, value: i32): void {
  store<i32>(list + (<usize>i << 2), value);
}

// @ts-ignore: decorator
@inline
function number(list: usize, i: i32): f32 {
  return load<f32>(list + (<usize>i << 2));
}

// @ts-ignore: decorator
@inline
function setNumber(list: usize, i: i32, value: f32): void {
  store<f32>(list + (<usize>i << 2), value);
}

/**
 * Returns the index of the first invalid entry in a table [rows, 2 + tablePages], or -1. The entries of a row are its
 * sequence, its position, and the pages that it attends to.
 */
export function findBadPage(
  table: usize, places: usize, rows: i32, tables: i32, tablePages: i32, pages: i32, pageSize: i32, window: i32,
): i32 {
  for (let n = 0; n < rows; n++) {
    const at = n * (2 + tablePages);
    const sequence = word(places, 2 * n);
    const position = word(places, 2 * n + 1);
    if (<u32>sequence >= <u32>tables) return at;
    if (<u32>position >= <u32>(tablePages * pageSize)) return at + 1;
    const first = window > 0 ? max(0, position - window + 1) : 0;
    for (let i = first / pageSize; i <= position / pageSize; i++) {
      if (<u32>word(table, sequence * tablePages + i) >= <u32>pages) return at + 2 + i;
    }
  }
  return -1;
}

/** Returns one vector: lane i is the sum of the four lanes of the i-th argument. */
// @ts-ignore: decorator
@inline
function sumsOf(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = f32x4.add(v128.shuffle<f32>(a, b, 0, 1, 4, 5), v128.shuffle<f32>(a, b, 2, 3, 6, 7));
  const cd = f32x4.add(v128.shuffle<f32>(c, d, 0, 1, 4, 5), v128.shuffle<f32>(c, d, 2, 3, 6, 7));
  return f32x4.add(v128.shuffle<f32>(ab, cd, 0, 2, 4, 6), v128.shuffle<f32>(ab, cd, 1, 3, 5, 7));
}

/**
 * Computes scores = scale * q k for `rows` queries and n keys, four keys at a time. `rows` is a constant in each call
 * and `size`, the length of a head, is a multiple of four. The scores of query r start r * SCORES bytes after `scores`.
 */
// @ts-ignore: decorator
@inline
function dotTile(
  rows: i32, q0: usize, q1: usize, q2: usize, addresses: usize, scores: usize, n: i32, size: i32, scale: f32,
): void {
  const zero = f32x4.splat(0);
  const factor = f32x4.splat(scale);
  for (; n > 0; n -= 4) {
    let k0 = load<usize>(addresses);
    let k1 = load<usize>(addresses, 4);
    let k2 = load<usize>(addresses, 8);
    let k3 = load<usize>(addresses, 12);
    let p0 = q0;
    let p1 = q1;
    let p2 = q2;
    let s00 = v128.load(ZEROS);
    let s01 = v128.load(ZEROS);
    let s02 = v128.load(ZEROS);
    let s03 = v128.load(ZEROS);
    let s10 = rows > 1 ? v128.load(ZEROS) : zero;
    let s11 = rows > 1 ? v128.load(ZEROS) : zero;
    let s12 = rows > 1 ? v128.load(ZEROS) : zero;
    let s13 = rows > 1 ? v128.load(ZEROS) : zero;
    let s20 = rows > 2 ? v128.load(ZEROS) : zero;
    let s21 = rows > 2 ? v128.load(ZEROS) : zero;
    let s22 = rows > 2 ? v128.load(ZEROS) : zero;
    let s23 = rows > 2 ? v128.load(ZEROS) : zero;
    for (let d = size; d > 0; d -= 4) {
      const x0 = v128.load(p0);
      const x1 = rows > 1 ? v128.load(p1) : zero;
      const x2 = rows > 2 ? v128.load(p2) : zero;
      let y = v128.load(k0);
      s00 = madd(x0, y, s00);
      if (rows > 1) s10 = madd(x1, y, s10);
      if (rows > 2) s20 = madd(x2, y, s20);
      y = v128.load(k1);
      s01 = madd(x0, y, s01);
      if (rows > 1) s11 = madd(x1, y, s11);
      if (rows > 2) s21 = madd(x2, y, s21);
      y = v128.load(k2);
      s02 = madd(x0, y, s02);
      if (rows > 1) s12 = madd(x1, y, s12);
      if (rows > 2) s22 = madd(x2, y, s22);
      y = v128.load(k3);
      s03 = madd(x0, y, s03);
      if (rows > 1) s13 = madd(x1, y, s13);
      if (rows > 2) s23 = madd(x2, y, s23);
      k0 += 16;
      k1 += 16;
      k2 += 16;
      k3 += 16;
      p0 += 16;
      if (rows > 1) p1 += 16;
      if (rows > 2) p2 += 16;
    }
    v128.store(scores, f32x4.mul(factor, sumsOf(s00, s01, s02, s03)));
    if (rows > 1) v128.store(scores + SCORES, f32x4.mul(factor, sumsOf(s10, s11, s12, s13)));
    if (rows > 2) v128.store(scores + 2 * SCORES, f32x4.mul(factor, sumsOf(s20, s21, s22, s23)));
    addresses += 16;
    scores += 16;
  }
}

/**
 * Loads n keys and their values into the CPU cache. `addresses` lists the addresses of the keys. A key has `bytes`
 * bytes; its value is `ahead` bytes after it. Store the result somewhere, or the compiler may remove the reads.
 */
function readKeys(addresses: usize, n: i32, bytes: usize, ahead: usize): i32 {
  let any = 0;
  for (const end = addresses + (<usize>n << 2); addresses < end; addresses += 4) {
    const key = load<usize>(addresses);
    any |= readLines(key, key + bytes) | readLines(key + ahead, key + ahead + bytes);
  }
  return any;
}

/** Computes the scores of one query with n keys, for any head size. */
function dot1(q: usize, addresses: usize, scores: usize, n: i32, size: i32, scale: f32): void {
  if (!(size & 3)) return dotTile(1, q, 0, 0, addresses, scores, n, size, scale);
  const zero = f32x4.splat(0);
  for (; n > 0; n--) {
    let s = zero;
    const k = load<usize>(addresses);
    for (let d = 0; d < size; d += 4) {
      const at = <usize>d << 2;
      s = madd(loadPart(q + at, size - d, zero), loadPart(k + at, size - d, zero), s);
    }
    store<f32>(scores, scale * sumOf(s));
    addresses += 4;
    scores += 4;
  }
}

/**
 * Adds weighted values to 16 columns of the outputs of `rows` queries. p holds the weights of n values. `addresses`
 * lists the addresses of the n keys; each value is stored `ahead` bytes after its key. `rows` is a constant in each
 * call.
 */
// @ts-ignore: decorator
@inline
function mixTile(rows: i32, p: usize, addresses: usize, ahead: usize, n: i32, o0: usize, o1: usize, o2: usize): void {
  const zero = f32x4.splat(0);
  let s00 = v128.load(o0);
  let s01 = v128.load(o0, 16);
  let s02 = v128.load(o0, 32);
  let s03 = v128.load(o0, 48);
  let s10 = rows > 1 ? v128.load(o1) : zero;
  let s11 = rows > 1 ? v128.load(o1, 16) : zero;
  let s12 = rows > 1 ? v128.load(o1, 32) : zero;
  let s13 = rows > 1 ? v128.load(o1, 48) : zero;
  let s20 = rows > 2 ? v128.load(o2) : zero;
  let s21 = rows > 2 ? v128.load(o2, 16) : zero;
  let s22 = rows > 2 ? v128.load(o2, 32) : zero;
  let s23 = rows > 2 ? v128.load(o2, 48) : zero;
  for (; n > 0; n--) {
    const v = load<usize>(addresses) + ahead;
    const x0 = v128.load32_splat(p);
    const x1 = rows > 1 ? v128.load32_splat(p, SCORES) : zero;
    const x2 = rows > 2 ? v128.load32_splat(p, 2 * SCORES) : zero;
    let y = v128.load(v);
    s00 = madd(x0, y, s00);
    if (rows > 1) s10 = madd(x1, y, s10);
    if (rows > 2) s20 = madd(x2, y, s20);
    y = v128.load(v, 16);
    s01 = madd(x0, y, s01);
    if (rows > 1) s11 = madd(x1, y, s11);
    if (rows > 2) s21 = madd(x2, y, s21);
    y = v128.load(v, 32);
    s02 = madd(x0, y, s02);
    if (rows > 1) s12 = madd(x1, y, s12);
    if (rows > 2) s22 = madd(x2, y, s22);
    y = v128.load(v, 48);
    s03 = madd(x0, y, s03);
    if (rows > 1) s13 = madd(x1, y, s13);
    if (rows > 2) s23 = madd(x2, y, s23);
    addresses += 4;
    p += 4;
  }
  v128.store(o0, s00);
  v128.store(o0, s01, 16);
  v128.store(o0, s02, 32);
  v128.store(o0, s03, 48);
  if (rows > 1) {
    v128.store(o1, s10);
    v128.store(o1, s11, 16);
    v128.store(o1, s12, 32);
    v128.store(o1, s13, 48);
  }
  if (rows > 2) {
    v128.store(o2, s20);
    v128.store(o2, s21, 16);
    v128.store(o2, s22, 32);
    v128.store(o2, s23, 48);
  }
}

/**
 * Adds weighted values to the output of one query, for any number of columns. p holds the weights of n values.
 * `addresses` lists the addresses of the n keys; each value is stored `ahead` bytes after its key.
 */
function mix1(p: usize, addresses: usize, ahead: usize, n: i32, out: usize, size: i32): void {
  if (n <= 0) return;
  for (; size >= 16; size -= 16) {
    mixTile(1, p, addresses, ahead, n, out, 0, 0);
    ahead += 64;
    out += 64;
  }
  const zero = f32x4.splat(0);
  for (; size > 0; size -= 4) {
    let s = loadPart(out, size, zero);
    for (let j = 0; j < n; j++) {
      const at = <usize>j << 2;
      s = madd(v128.load32_splat(p + at), loadPart(load<usize>(addresses + at) + ahead, size, zero), s);
    }
    storePart(out, s, size);
    ahead += 16;
    out += 16;
  }
}

/**
 * Adds weighted values to the outputs of three queries, for any number of columns. p holds the weights of n values for
 * the first query; the weights of the next query are SCORES bytes later. `addresses` lists the addresses of the n keys;
 * each value is stored `ahead` bytes after its key.
 */
function mix3(p: usize, addresses: usize, ahead: usize, n: i32, o0: usize, o1: usize, o2: usize, size: i32): void {
  if (n <= 0) return;
  for (; size >= 16; size -= 16) {
    mixTile(3, p, addresses, ahead, n, o0, o1, o2);
    ahead += 64;
    o0 += 64;
    o1 += 64;
    o2 += 64;
  }
  mix1(p, addresses, ahead, n, o0, size);
  mix1(p + SCORES, addresses, ahead, n, o1, size);
  mix1(p + 2 * SCORES, addresses, ahead, n, o2, size);
}

/** Computes the scores of up to three queries, from query i on, with the keys of the block. */
function scoreQueries(q: usize, scratch: usize, i: i32, count: i32, size: i32, scale: f32): void {
  let from = KEYS;
  let end = 0;
  for (let r = i; r < i + count; r++) {
    const first = word(scratch + BLOCK_FROMS, r);
    const last = word(scratch + BLOCK_ENDS, r);
    if (first >= last) continue;
    from = min(from, first);
    end = max(end, last);
  }
  from &= ~3;
  const addresses = scratch + ADDRESSES + (<usize>from << 2);
  const scores = scratch + <usize>i * SCORES + (<usize>from << 2);
  const offsets = scratch + OFFSETS;
  if (count == 3 && !(size & 3)) {
    dotTile(
      3, q + <usize>word(offsets, i), q + <usize>word(offsets, i + 1), q + <usize>word(offsets, i + 2),
      addresses, scores, end - from, size, scale,
    );
    return;
  }
  for (let r = 0; r < count; r++) {
    dot1(q + <usize>word(offsets, i + r), addresses, scores + <usize>r * SCORES, end - from, size, scale);
  }
}

/**
 * Overwrites the scores of query i in this block with unnormalised weights exp(score - maximum). If the block has a new
 * maximum score, the query's earlier sums are rescaled to it.
 */
function weighQuery(out: usize, scratch: usize, i: i32, size: i32, softcap: f32): void {
  const from = word(scratch + BLOCK_FROMS, i);
  const count = word(scratch + BLOCK_ENDS, i) - from;
  if (count <= 0) return;
  const seen = scratch + <usize>i * SCORES + (<usize>from << 2);
  if (softcap > 0) bend(seen, count, 0, softcap);
  const top = number(scratch + TOPS, i);
  const next = max(top, rowMax(seen, count));
  if (next == -Infinity) {
    setWord(scratch + BLOCK_ENDS, i, from);
    return;
  }
  const sum = sumExp(seen, seen, count, next);
  const rescale = expOf(top - next);
  setNumber(scratch + TOTALS, i, <f32>(<f64>number(scratch + TOTALS, i) * <f64>rescale + sum));
  setNumber(scratch + TOPS, i, next);
  if (rescale != 1) scaleInPlace(out + <usize>word(scratch + OFFSETS, i), size, rescale);
}

/** Adds the weighted values at the block's positions from..end-1 to the output of query i. */
// @ts-ignore: decorator
@inline
function mixQuery(out: usize, ahead: usize, scratch: usize, i: i32, from: i32, end: i32, size: i32): void {
  const at = <usize>from << 2;
  const p = scratch + <usize>i * SCORES + at;
  mix1(p, scratch + ADDRESSES + at, ahead, end - from, out + <usize>word(scratch + OFFSETS, i), size);
}

/** Adds the block's weighted values to the outputs of up to three queries, from query i on. */
function mixQueries(out: usize, ahead: usize, scratch: usize, i: i32, count: i32, size: i32): void {
  const froms = scratch + BLOCK_FROMS;
  const ends = scratch + BLOCK_ENDS;
  let from = KEYS;
  let end = 0;
  if (count == 3) {
    from = max(word(froms, i), max(word(froms, i + 1), word(froms, i + 2)));
    end = min(word(ends, i), min(word(ends, i + 1), word(ends, i + 2)));
  }
  if (from >= end) {
    for (let r = i; r < i + count; r++) mixQuery(out, ahead, scratch, r, word(froms, r), word(ends, r), size);
    return;
  }
  for (let r = i; r < i + 3; r++) mixQuery(out, ahead, scratch, r, word(froms, r), from, size);
  const at = <usize>from << 2;
  const offsets = scratch + OFFSETS;
  mix3(
    scratch + <usize>i * SCORES + at, scratch + ADDRESSES + at, ahead, end - from,
    out + <usize>word(offsets, i), out + <usize>word(offsets, i + 1), out + <usize>word(offsets, i + 2), size,
  );
  for (let r = i; r < i + 3; r++) mixQuery(out, ahead, scratch, r, end, word(ends, r), size);
}

/**
 * Computes attention for the queries listed in scratch memory, which belong to one sequence and one key head. `k` and
 * `v` are the addresses of the pools of keys and values, plus the offset of the key head within a position. `table`
 * lists the sequence's pages. Keys are kStep bytes apart.
 */
function attendQueries(
  q: usize, k: usize, v: usize, table: usize, out: usize, scratch: usize, queries: i32, size: i32, kStep: i32, pageSize: i32,
  scale: f32, softcap: f32,
): void {
  let lowest = word(scratch + FROMS, 0);
  let highest = 0;
  let any = 0;
  for (let i = 0; i < queries; i++) {
    setNumber(scratch + TOPS, i, -Infinity);
    setNumber(scratch + TOTALS, i, 0);
    lowest = min(lowest, word(scratch + FROMS, i));
    highest = max(highest, word(scratch + ENDS, i));
    clearBytes(out + <usize>word(scratch + OFFSETS, i), <usize>size << 2);
  }
  for (let start = lowest - lowest % KEYS; start < highest; start += KEYS) {
    const low = max(start, lowest);
    const high = min(start + KEYS, highest);
    // Keys are processed in fours; if fewer remain, another key's address fills the unused places of the last four.
    let page = low / pageSize;
    let offset = low - page * pageSize;
    let address: usize = 0;
    for (let j = low; j < high; j++) {
      address = k + <usize>(word(table, page) * pageSize + offset) * <usize>kStep;
      setWord(scratch + ADDRESSES, j - start, <i32>address);
      if (++offset == pageSize) {
        offset = 0;
        page++;
      }
    }
    any |= readKeys(scratch + ADDRESSES + (<usize>(low - start) << 2), high - low, <usize>size << 2, v - k);
    for (let j = high - start; j & 3; j++) setWord(scratch + ADDRESSES, j, <i32>address);
    for (let j = low - start; j & 3; j--) setWord(scratch + ADDRESSES, j - 1, <i32>address);
    for (let i = 0; i < queries; i++) {
      setWord(scratch + BLOCK_FROMS, i, max(low, word(scratch + FROMS, i)) - start);
      setWord(scratch + BLOCK_ENDS, i, min(high, word(scratch + ENDS, i)) - start);
    }
    for (let i = 0; i < queries; i += 3) scoreQueries(q, scratch, i, min(3, queries - i), size, scale);
    for (let i = 0; i < queries; i++) weighQuery(out, scratch, i, size, softcap);
    for (let i = 0; i < queries; i += 3) mixQueries(out, v - k, scratch, i, min(3, queries - i), size);
  }
  for (let i = 0; i < queries; i++) {
    scaleInPlace(out + <usize>word(scratch + OFFSETS, i), size, 1 / number(scratch + TOTALS, i));
  }
  store<i32>(scratch, any);
}

/**
 * Computes attention for `count` rows of one sequence, from row n on, with one key head: lists their queries in scratch
 * and calls `attendQueries`.
 */
function attendRows(
  q: usize, k: usize, v: usize, tables: usize, places: usize, out: usize, scratch: usize, n: i32, count: i32, kvHead: i32,
  heads: i32, group: i32, size: i32, pageSize: i32, tablePages: i32, scale: f32, window: i32, softcap: f32,
): void {
  const table = tables + (<usize>(word(places, 2 * n) * tablePages) << 2);
  const ahead = <usize>(kvHead * size) << 2;
  const kStep = ((heads / group) * size) << 2;
  for (let g = 0; g < group; g += QUERIES) {
    let queries = 0;
    for (let r = n; r < n + count; r++) {
      const position = word(places, 2 * r + 1);
      for (let h = g; h < min(group, g + QUERIES); h++) {
        setWord(scratch + OFFSETS, queries, ((r * heads + kvHead * group + h) * size) << 2);
        setWord(scratch + FROMS, queries, window > 0 ? max(0, position - window + 1) : 0);
        setWord(scratch + ENDS, queries, position + 1);
        queries++;
      }
    }
    attendQueries(q, k + ahead, v + ahead, table, out, scratch, queries, size, kStep, pageSize, scale, softcap);
  }
}

/**
 * Computes paged attention for the units first..last-1. A unit is one key head of one row; units are ordered by row,
 * then by key head. q and out are [rows, heads, size]; the pools k and v are [pages, pageSize, heads / group, size];
 * `places` holds each row's sequence and position.
 */
export function pagedAttention(
  q: usize, k: usize, v: usize, tables: usize, places: usize, out: usize, scratch: usize, first: i32, last: i32,
  heads: i32, group: i32, size: i32, pageSize: i32, tablePages: i32, scale: f32, window: i32, softcap: f32,
): void {
  const kvHeads = heads / group;
  const most = max(1, QUERIES / group);
  for (let unit = first; unit < last; ) {
    const n = unit / kvHeads;
    const kvHead = unit - n * kvHeads;
    const whole = kvHead ? 0 : min(most, (last - unit) / kvHeads);
    let count = 1;
    while (count < whole && word(places, 2 * (n + count)) == word(places, 2 * n)) count++;
    // A part may begin and end within the heads of a row.
    const end = whole ? kvHeads : min(kvHeads, kvHead + last - unit);
    for (let h = kvHead; h < end; h++) {
      attendRows(
        q, k, v, tables, places, out, scratch, n, count, h, heads, group, size, pageSize, tablePages, scale, window, softcap,
      );
    }
    unit += whole ? count * kvHeads : end - kvHead;
  }
}
