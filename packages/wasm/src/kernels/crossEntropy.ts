import type { crossEntropyBackward, crossEntropyWithRows, linearCrossEntropyOp } from "@lowrank/core/backend";
import { findBadLabel } from "./indexing.ts";
import { dtypeNumber, kernel, type Scratch, type WasmKernel, type WasmTensor } from "./kernel.ts";
import type { Kernels } from "./kernelTypes.gen.ts";
import { wideSquares } from "./spread.ts";
import { allowsCodes, largestOf } from "./weightProduct.ts";

/** Names of the reductions. The index of a name in this list is the number that the WebAssembly kernels take. */
const reductions = ["none", "sum", "mean"];

export const crossEntropyWithRowsKernel: WasmKernel = kernel<typeof crossEntropyWithRows>(
  "crossEntropy",
  (k, [logits, labels], [loss, sums], { ignoreIndex = -100, reduction = "mean", labelSmoothing = 0 }) => {
    const n = logits.shape[logits.shape.length - 1];
    const fault = findBadLabel(k, labels, n, ignoreIndex);
    if (fault) return fault;
    const [x, y, kind] = [logits.ptr, labels.ptr, reductions.indexOf(reduction)];
    k.crossEntropy(x, y, loss.ptr, sums.ptr, labels.size, n, ignoreIndex, labelSmoothing, kind);
    return undefined;
  },
);

export const crossEntropyBackwardKernel: WasmKernel = kernel<typeof crossEntropyBackward>(
  "crossEntropyBackward",
  (k, [dloss, logits, labels, sums], [dlogits], params) => {
    const { ignoreIndex = -100, reduction = "mean", labelSmoothing = 0 } = params;
    const n = logits.shape[logits.shape.length - 1];
    const [dx, rows, kind] = [dlogits.ptr, labels.size, reductions.indexOf(reduction)];
    const [dy, x, y, log] = [dloss.ptr, logits.ptr, labels.ptr, sums.ptr];
    k.crossEntropyBackward(dy, x, y, log, dx, rows, n, ignoreIndex, labelSmoothing, kind);
  },
);

/**
 * The gradients that the forward pass computes in addition to the loss. `hidden` is true if it computes the gradient of
 * the hidden states, `weight` if it computes the gradient of the weight.
 */
interface Wants {
  readonly hidden: boolean;
  readonly weight: boolean;
}

/** Maximum number of rows that are processed at a time. */
const maxChunkRows = 256;
/** Approximate maximum number of logits that are in memory at a time. */
const maxChunkLogits = 8 << 20;

/**
 * The inputs and outputs in WebAssembly memory. `indices` is the address of a list of the `count` rows whose label is
 * not ignored. The losses of these rows are written to `losses`.
 */
interface Work {
  readonly hidden: WasmTensor;
  readonly weight: WasmTensor;
  readonly labels: WasmTensor;
  readonly dhidden: WasmTensor;
  readonly dweight: WasmTensor;
  readonly indices: number;
  readonly count: number;
  readonly losses: number;
  readonly factor: number;
}

/** Computes the loss in chunks of rows, with the logits of all classes for a chunk in memory. */
function byRows(k: Kernels, work: Work, wants: Wants, labelSmoothing: number, scratch: Scratch): void {
  const { hidden, weight, labels, dhidden, dweight, indices, count, losses, factor } = work;
  const [classes, width] = weight.shape;
  const chunk = Math.max(1, Math.min(count, maxChunkRows, Math.ceil(maxChunkLogits / classes)));
  const [rows, logits] = [scratch(4 * chunk * width), scratch(4 * chunk * classes)];
  const gradient = wants.hidden || wants.weight ? 1 : 0;
  const [f32, format] = [weight.dtype === "f32", dtypeNumber(weight)];
  for (let start = 0; start < count; start += chunk) {
    const n = Math.min(chunk, count - start);
    const at = indices + 4 * start;
    k.copyRows(hidden.ptr, at, rows, n, 4 * width, 0);
    if (f32) k.gemm(rows, weight.ptr, logits, n, classes, width, width, width, classes, 0, 1, 1, 0);
    else k.gemmWeight(rows, weight.ptr, format, 0, logits, n, classes, width, 1, 1, 0);
    k.crossEntropyChunk(logits, labels.ptr, at, losses + 8 * start, n, classes, labelSmoothing, factor, gradient);
    if (wants.weight) k.gemm(logits, rows, dweight.ptr, classes, width, n, classes, width, width, 1, 0, 1, 1);
    if (wants.hidden) {
      if (f32) k.gemm(logits, weight.ptr, rows, n, width, classes, classes, width, width, 0, 0, 1, 0);
      else k.gemmWeight(logits, weight.ptr, format, 0, rows, n, width, classes, 0, 1, 0);
      k.copyRows(rows, at, dhidden.ptr, n, 4 * width, 1);
    }
  }
}

/** Number of parts into which the classes are divided, so that several threads can process them at the same time. */
const classParts = 8;
/**
 * Maximum number of elements in the partial gradients of the hidden states. Each part of the classes has its own
 * partial gradients; the limit is for all parts together.
 */
const maxSums = 8 << 20;

/**
 * Maximum number of columns of a weight for which integer codes are used; wider weights are multiplied in f32.
 * assembly/reductions/linearCrossEntropy.ts has the same value.
 */
const mostWidth = 4096;

/**
 * Upper bound of the number of rows by which the matrix of hidden states grows when it is packed. It is padded to whole
 * panels (blocks of rows), and a panel has at most this many rows.
 */
const panelSlack = 8;

/**
 * Computes the loss in blocks of classes, with a running maximum, as flash attention does. No full row of logits is
 * ever in memory; each block is used while it is in the cache.
 */
function byClasses(k: Kernels, work: Work, wantsHidden: boolean, scratch: Scratch): void {
  const { hidden, weight, labels, dhidden, indices, count, losses, factor } = work;
  const [classes, width] = weight.shape;
  const chunk = Math.max(1, Math.min(count, Math.floor(maxSums / (classParts * width))));
  const [rows, chosen, targets] = [scratch(4 * (chunk + panelSlack) * width), scratch(4 * chunk), scratch(4 * chunk)];
  const [tops, masses] = [scratch(4 * chunk * classParts), scratch(8 * chunk * classParts)];
  const sums = wantsHidden ? scratch(4 * chunk * classParts * width) : 0;
  const [own, panel] = [scratch(k.linearCrossEntropyScratch()), scratch(4 * panelSlack * width)];
  const w = [weight.ptr, dtypeNumber(weight)] as const;
  const mayCode = width <= mostWidth && allowsCodes(weight, Math.min(count, chunk));
  const largest = mayCode ? largestOf(k, scratch, weight) : 0;
  const coded = largest !== 0;
  const codedRows = coded ? scratch(k.int16RowsBytes(chunk, width)) : 0;
  const marked = coded ? wideSquares(k, scratch, weight) : 0;
  for (let start = 0; start < count; start += chunk) {
    const n = Math.min(chunk, count - start);
    const at = indices + 4 * start;
    k.copyRows(labels.ptr, at, chosen, n, 4, 0);
    const found = [chosen, tops, masses, sums, targets] as const;
    if (coded) k.copyRows(hidden.ptr, at, rows, n, 4 * width, 0);
    // The rows as codes, or as panels of f32.
    const inCodes = coded && k.codesFit(k.quantizeInt16(rows, codedRows, n, width), largest, width) !== 0;
    if (!inCodes) k.linearCrossEntropyPack(hidden.ptr, at, rows, n, width, panel);
    const x = inCodes ? codedRows : rows;
    const [code, wide] = inCodes ? [1, marked] : [0, 0];
    k.linearCrossEntropyPart(x, ...w, code, ...found, own, 0, classParts, classParts, n, width, classes, wide, rows);
    const out = wantsHidden ? rows : 0;
    k.linearCrossEntropyJoin(...w, ...found, losses + 8 * start, out, n, n, width, classParts, factor);
    if (wantsHidden) k.copyRows(rows, at, dhidden.ptr, n, 4 * width, 1);
  }
}

export const linearCrossEntropyOpKernel: WasmKernel = kernel<typeof linearCrossEntropyOp>(
  "linearCrossEntropy",
  (k, inputs, [loss, dhidden, dweight], params, scratch) => {
    const { ignoreIndex = -100, reduction = "mean", labelSmoothing = 0, wants } = params;
    const [hidden, weight, labels] = inputs;
    const fault = findBadLabel(k, labels, weight.shape[0], ignoreIndex);
    if (fault) return fault;
    const indices = scratch(4 * labels.size);
    const count = k.selectRows(labels.ptr, indices, labels.size, ignoreIndex);
    const factor = reduction === "mean" ? 1 / count : 1;
    const losses = scratch(8 * count);
    k.fill(dhidden.ptr, dhidden.size, 0);
    k.fill(dweight.ptr, dweight.size, 0);
    const work = { hidden, weight, labels, dhidden, dweight, indices, count, losses, factor };
    if (wants.weight || labelSmoothing > 0) byRows(k, work, wants, labelSmoothing, scratch);
    else byClasses(k, work, wants.hidden, scratch);
    k.finishLoss(losses, count, loss.ptr, factor);
    return undefined;
  },
);
