// Cross-entropy of hidden Wᵀ and the gradient of the hidden rows. Classes are processed block by block with a running
// maximum, so that a full row of logits is never in memory. After Dao et al. 2022, https://arxiv.org/abs/2205.14135,
// and Wijmans et al. 2024, https://arxiv.org/abs/2411.09009
import { unpackRow } from "../formats/dispatch/formats";
import {
  BLOCK, blocksOf, int16CodesFrom, int16RowScales, int16RowsBytes, int16WeightBytes, int16WeightScales, isNotFinite,
  packInt16Rows, pitch, quantizeInt16,
} from "../integer/int16Codes";
import { int16Part, int16Scratch } from "../integer/int16Product";
import { B_BYTES } from "../gemm/gemmBlock";
import { gemmWeight } from "../gemm/gemm";
import { fitsBlock, MOST_PANEL_ROWS, multiplyPanels, packPanelRows, panelRows } from "../gemm/gemmPanels";
import { loadPart, storePart } from "../simd/lanes";
import { rowMax, sumExp } from "../simd/logSumExp";
import { expOf } from "../simd/math";
import { scaleInPlace } from "../simd/scaleInPlace";

/** Number of classes in a block: as many as one block of the matrix product holds. */
const CLASSES: i32 = 384;
/**
 * Maximum number of rows in a block of logits. It is a multiple of the number of rows in a panel, for every kind of
 * panel.
 */
const ROWS: i32 = 600;
/** Bytes of a block of logits, plus one panel of its rows. */
const FLOATS: i32 = 4 * CLASSES * (ROWS + MOST_PANEL_ROWS);
/**
 * Maximum width of a weight that is rounded to integer codes. BLOCK rows of this width in f32 must fit into the memory
 * of the logits.
 */
const MOST_WIDTH: i32 = 4096;
/**
 * Size in bytes of the integer codes and scales of a block of the weight. To the size from `int16WeightBytes`, it adds
 * one scale for each row of squares.
 */
const WEIGHT: i32 = int16WeightBytes(BLOCK, MOST_WIDTH) + 4 * (CLASSES / BLOCK);

/**
 * Returns the size in bytes of the scratch memory for `linearCrossEntropyPart`. It holds a block of logits and one
 * panel of its rows. After these it holds either a packed block of the weight, or the integer codes of two blocks: one
 * of logits and one of the weight.
 */
export function linearCrossEntropyScratch(): i32 {
  return FLOATS + max(B_BYTES, int16RowsBytes(ROWS, CLASSES) + int16Scratch() + WEIGHT);
}

/**
 * Rounds the rows from..from+n-1 of a weight to integer codes, and writes them to `out`. `room` is scratch for the rows
 * in f32.
 */
function packClasses(weight: usize, format: i32, from: i32, n: i32, width: i32, room: usize, out: usize): void {
  for (let top = 0; top < n; top += BLOCK) {
    const rows = min(BLOCK, n - top);
    // They are consecutive whole blocks of a format.
    unpackRow(format, weight, (from + top) * width, rows * width, room);
    packInt16Rows(room, int16CodesFrom(out, top, width), int16WeightScales(out, n, width, top), rows, width, 0);
  }
}

/**
 * Packs `count` rows of x [.., width], whose indices are in `indices`, into panels for `linearCrossEntropyPart`. `out`
 * has the size of these rows, rounded up to whole panels.
 */
export function linearCrossEntropyPack(x: usize, indices: usize, out: usize, count: i32, width: i32, scratch: usize): void {
  const bytes = <usize>width << 2;
  const height = panelRows();
  for (let i = 0; i < count; i += height) {
    const rows = min(height, count - i);
    for (let r = 0; r < rows; r++) {
      memory.copy(scratch + <usize>r * bytes, x + <usize>load<i32>(indices + (<usize>(i + r) << 2)) * bytes, bytes);
    }
    packPanelRows(scratch, bytes, out + <usize>i * bytes, rows, width);
  }
}

/**
 * Updates the running maximum (`tops`) and sum of exponentials (`masses`) of each row with a block of logits [rows, n],
 * for the classes from `from` on. Rescales masses and `sums` if a maximum rises. If `sums` is not 0, overwrites the
 * block with exp(logit - maximum). These values are packed into panels unless `spare`, scratch for one panel, is 0.
 */
function takeBlock(
  logits: usize, rows: i32, n: i32, from: i32, labels: usize, tops: usize, masses: usize, sums: usize, targets: usize, width: i32,
  spare: usize,
): void {
  const bytes = <usize>n << 2;
  const height = panelRows();
  for (let r = 0; r < rows; r++) {
    const row = <usize>r << 2;
    const x = logits + <usize>r * bytes;
    const label = load<i32>(labels + row) - from;
    if (<u32>label < <u32>n) store<f32>(targets + row, load<f32>(x + (<usize>label << 2)));
    const top = load<f32>(tops + row);
    const next = max(top, rowMax(x, n));
    const mass = masses + (<usize>r << 3);
    if (next != top) {
      const rescale = expOf(top - next);
      store<f32>(tops + row, next);
      store<f64>(mass, load<f64>(mass) * <f64>rescale);
      if (sums) scaleInPlace(sums + <usize>(r * width << 2), width, rescale);
    }
    const inPanel = r % height;
    const to = spare ? spare + <usize>inPanel * bytes : x;
    store<f64>(mass, load<f64>(mass) + sumExp(x, sums ? to : 0, n, next));
    if (!sums || !spare || (inPanel + 1 < height && r + 1 < rows)) continue;
    packPanelRows(spare, bytes, x - <usize>inPanel * bytes, inPanel + 1, n);
  }
}

/**
 * Returns true if a square of the classes from..from+n-1 is marked in `wide`. `from` must be the first class of a
 * square.
 */
function isMarked(wide: usize, from: i32, n: i32, width: i32): bool {
  const across = blocksOf(width);
  const first = wide + <usize>((from / BLOCK) * across);
  const last = first + <usize>(blocksOf(n) * across);
  for (let at = first; at < last; at++) if (load<u8>(at)) return true;
  return false;
}

/** Fills n floats with NaN. */
function fillNaN(x: usize, n: i32): void {
  for (let i = 0; i < n; i++) store<f32>(x + (<usize>i << 2), NaN);
}

/**
 * Computes the parts first..last-1 of a loss that is divided into `parts` parts. Each part is a range of the classes,
 * which are the rows of W [classes, width]. W has the dtype number `format`. `panels` holds the rows of x, packed by
 * `linearCrossEntropyPack`. If `coded` is 1, `panels` holds their integer codes from `quantizeInt16` instead, and W, at
 * most MOST_WIDTH wide, is rounded to codes by `packInt16`, block by block.
 *
 * If `wide` is not 0, it marks the squares of W that cannot have codes (`markWideSquares`): a block with a marked
 * square is multiplied in f32, by the rows at `xf`.
 *
 * For each row of x, a part writes the largest of its logits to `tops` (f32 [parts, rows]), and the sum of exp(logit -
 * top) to `masses` (f64 [parts, rows]). If `sums` is not 0, it also writes the sum of W's rows weighted by exp(logit -
 * top) there (f32 [parts, rows, width]). `targets` (f32 [rows]) receives the logits of the labels.
 */
export function linearCrossEntropyPart(
  panels: usize, weight: usize, format: i32, coded: i32, labels: usize, tops: usize, masses: usize, sums: usize, targets: usize,
  scratch: usize, first: i32, last: i32, parts: i32, rows: i32, width: i32, classes: i32, wide: usize, xf: usize,
): void {
  const inCodes = coded != 0;
  const block = inCodes ? min(CLASSES, (MOST_WIDTH * BLOCK / pitch(width)) & -BLOCK) : CLASSES;
  // Codes have a scale for each square.
  const align = inCodes ? BLOCK - 1 : 7;
  const share = ((classes + parts - 1) / parts + align) & ~align;
  // If a block of the weight is packed once for all rows, fewer rows at a time cost nothing and stay in the cache.
  const most = !inCodes && fitsBlock(CLASSES, width) ? ROWS >> 1 : ROWS;
  const blocks = (rows + most - 1) / most;
  const unit = inCodes ? 4 : panelRows();
  const height = (((rows + blocks - 1) / blocks + unit - 1) / unit) * unit;
  const spare = inCodes ? 0 : scratch + ((CLASSES * ROWS) << 2);
  const codes = scratch + FLOATS;
  const own = codes + int16RowsBytes(ROWS, CLASSES);
  const w = own + int16Scratch();
  for (let part = first; part < last; part++) {
    const end = min(classes, (part + 1) * share);
    const start = <usize>(part * rows);
    for (let r = start; r < start + <usize>rows; r++) store<f32>(tops + (r << 2), -Infinity);
    memory.fill(masses + (start << 3), 0, <usize>rows << 3);
    if (sums) memory.fill(sums + ((start * <usize>width) << 2), 0, <usize>(rows * width) << 2);
    for (let v = part * share; v < end; v += block) {
      const n = min(block, end - v);
      for (let i = 0; i < rows; i += height) {
        const m = min(height, rows - i);
        const at = start + <usize>i;
        const x = panels + (<usize>(i * width) << 2);
        const top = tops + (at << 2);
        const mass = masses + (at << 3);
        const sum = sums ? sums + ((at * <usize>width) << 2) : 0;
        if (wide && isMarked(wide, v, n, width)) {
          gemmWeight(xf + (<usize>(i * width) << 2), weight, format, v * width, scratch, m, n, width, 1, 1, 0);
          takeBlock(scratch, m, n, v, labels + (<usize>i << 2), top, mass, sum, targets + (<usize>i << 2), width, 0);
          if (sums) gemmWeight(scratch, weight, format, v * width, sum, m, width, n, 0, 1, 1);
          continue;
        }
        if (inCodes) {
          if (i == 0) packClasses(weight, format, v, n, width, scratch, w);
          const wScales = int16WeightScales(w, n, width, 0);
          const xRows = int16CodesFrom(panels, i, width);
          const xScales = int16RowScales(panels, rows, width) + (<usize>((i >> 2) * blocksOf(width)) << 4);
          int16Part(xRows, xScales, w, wScales, n, width, true, scratch, <usize>n << 2, m, 0, n, false, own);
          takeBlock(scratch, m, n, v, labels + (<usize>i << 2), top, mass, sum, targets + (<usize>i << 2), width, 0);
          if (!sums) continue;
          if (isNotFinite(quantizeInt16(scratch, codes, m, n))) fillNaN(sum, m * width);
          const pScales = int16RowScales(codes, m, n);
          int16Part(codes, pScales, w, wScales, n, width, false, sum, <usize>width << 2, m, 0, width, true, own);
          continue;
        }
        multiplyPanels(x, weight, format, v * width, scratch, m, n, width, true, false, 0, i > 0);
        takeBlock(scratch, m, n, v, labels + (<usize>i << 2), top, mass, sum, targets + (<usize>i << 2), width, spare);
        if (sums) multiplyPanels(scratch, weight, format, v * width, sum, m, width, n, false, true, codes, i > 0);
      }
    }
  }
}

/**
 * Combines the results of all parts for the first `count` of `rows` rows. Writes their losses (f64) and, if `dhidden`
 * is not 0, the gradient [count, width] times `factor`.
 */
export function linearCrossEntropyJoin(
  weight: usize, format: i32, labels: usize, tops: usize, masses: usize, sums: usize, targets: usize, losses: usize,
  dhidden: usize, count: i32, rows: i32, width: i32, parts: i32, factor: f32,
): void {
  const zero = f32x4.splat(0);
  for (let r = 0; r < count; r++) {
    const row = <usize>r << 2;
    let top: f32 = -Infinity;
    for (let p = 0; p < parts; p++) top = max(top, load<f32>(tops + row + (<usize>(p * rows) << 2)));
    let mass: f64 = 0;
    for (let p = 0; p < parts; p++) {
      const at = <usize>(p * rows + r);
      mass += load<f64>(masses + (at << 3)) * Math.exp(<f64>load<f32>(tops + (at << 2)) - <f64>top);
    }
    store<f64>(losses + (<usize>r << 3), Math.log(mass) - (<f64>load<f32>(targets + row) - <f64>top));
    if (!dhidden) continue;
    const out = dhidden + (<usize>(r * width) << 2);
    unpackRow(format, weight, load<i32>(labels + row) * width, width, out);
    scaleInPlace(out, width, -factor);
    for (let p = 0; p < parts; p++) {
      const at = <usize>(p * rows + r);
      const partShare = <f32>(Math.exp(<f64>load<f32>(tops + (at << 2)) - <f64>top) / mass) * factor;
      const share = f32x4.splat(partShare);
      const sum = sums + ((at * <usize>width) << 2);
      for (let j = 0; j < width; j += 4) {
        const d = out + (<usize>j << 2);
        const s = loadPart(sum + (<usize>j << 2), width - j, zero);
        storePart(d, f32x4.add(loadPart(d, width - j, zero), f32x4.mul(share, s)), width - j);
      }
    }
  }
}
