import type { Scratch, TensorSpec, WasmTensor } from "../backend.ts";
import { isGradEnabled } from "../gradMode.ts";
import type { Kernels } from "../kernels.gen.ts";
import { defineOp, expectDType, type Op } from "../op.ts";
import { unpackAll } from "../quantize/unpackAll.ts";
import { formatShape } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import {
  checkLabels,
  countLabels,
  crossEntropyBackward,
  crossEntropyWithRows,
  findBadLabel,
  rowGradient,
} from "./crossEntropy.ts";
import { matmul } from "./matmul.ts";
import { mul } from "./mul.ts";
import { asMatrix } from "./rows.ts";
import { toDTypeOf } from "./to.ts";
import { expectWeight, weightFormat } from "./weight.ts";

/** Options of `linearCrossEntropy`; see `crossEntropy`. */
export interface LinearCrossEntropyParams {
  readonly ignoreIndex?: number;
  readonly reduction?: "mean" | "sum";
  readonly labelSmoothing?: number;
}

/** How many rows, and at most about how many logits, are held at a time where rows go through in chunks. */
const maxChunkRows = 256;
const maxChunkLogits = 8 << 20;

interface Params extends LinearCrossEntropyParams {
  /** Which gradients the forward pass makes along the way. */
  readonly wants: { readonly hidden: boolean; readonly weight: boolean };
}

function check(inputs: readonly TensorSpec[]): void {
  const [hidden, weight, labels] = inputs;
  expectDType("linearCrossEntropy", inputs, 0, "f32");
  expectWeight("linearCrossEntropy", inputs, 1);
  const [h, w] = [hidden.shape, weight.shape];
  if (w.length !== 2 || h.length === 0 || h[h.length - 1] !== w[1]) {
    throw new Error(
      `linearCrossEntropy: hidden ${formatShape(h)} must end in the width of the weight ${formatShape(w)}`,
    );
  }
  checkLabels("linearCrossEntropy", hidden, labels);
}

/** Tensors in wasm memory, the positions of the `count` rows that count, and where their losses go. */
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

/** Rows in chunks, all their logits at a time. */
function byRows(k: Kernels, work: Work, wants: Params["wants"], labelSmoothing: number, scratch: Scratch): void {
  const { hidden, weight, labels, dhidden, dweight, indices, count, losses, factor } = work;
  const [classes, width] = weight.shape;
  const chunk = Math.max(1, Math.min(count, maxChunkRows, Math.ceil(maxChunkLogits / classes)));
  const [rows, logits] = [scratch(4 * chunk * width), scratch(4 * chunk * classes)];
  const gradient = wants.hidden || wants.weight ? 1 : 0;
  const [f32, format] = [weight.dtype === "f32", weightFormat(weight)];
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

/** Parts of the classes, which threads may do side by side, and the numbers that their sums may take together. */
const classParts = 8;
const maxSums = 8 << 20;

/** Rows by which packed ones may be longer: a panel has at most so many. */
const panelSlack = 8;

/** Classes in blocks with a running maximum: a row's logits are never whole, and each is made and used in the cache. */
function byClasses(k: Kernels, work: Work, wantsHidden: boolean, scratch: Scratch): void {
  const { hidden, weight, labels, dhidden, indices, count, losses, factor } = work;
  const [classes, width] = weight.shape;
  const chunk = Math.max(1, Math.min(count, Math.floor(maxSums / (classParts * width))));
  const [rows, chosen, targets] = [scratch(4 * (chunk + panelSlack) * width), scratch(4 * chunk), scratch(4 * chunk)];
  const [tops, masses] = [scratch(4 * chunk * classParts), scratch(8 * chunk * classParts)];
  const sums = wantsHidden ? scratch(4 * chunk * classParts * width) : 0;
  const [own, panel] = [scratch(k.linearCrossEntropyScratch()), scratch(4 * panelSlack * width)];
  const w = [weight.ptr, weightFormat(weight)] as const;
  for (let start = 0; start < count; start += chunk) {
    const n = Math.min(chunk, count - start);
    const at = indices + 4 * start;
    k.linearCrossEntropyPack(hidden.ptr, at, rows, n, width, panel);
    k.copyRows(labels.ptr, at, chosen, n, 4, 0);
    const found = [chosen, tops, masses, sums, targets] as const;
    k.linearCrossEntropyPart(rows, ...w, ...found, own, 0, classParts, classParts, n, width, classes);
    const out = wantsHidden ? rows : 0;
    k.linearCrossEntropyJoin(...w, ...found, losses + 8 * start, out, n, n, width, classParts, factor);
    if (wantsHidden) k.copyRows(rows, at, dhidden.ptr, n, 4 * width, 1);
  }
}

const linearCrossEntropyOp: Op<3, Params, 3> = defineOp({
  name: "linearCrossEntropy",
  packed: [1],
  shape: (inputs, { wants }) => {
    check(inputs);
    const [hidden, weight] = inputs;
    return [
      { shape: [], dtype: "f32" },
      { shape: wants.hidden ? hidden.shape : [0], dtype: "f32" },
      { shape: wants.weight ? weight.shape : [0], dtype: "f32" },
    ];
  },
  ref: ([hidden, weight, labels], [loss, dhidden, dweight], params) => {
    const { ignoreIndex = -100, reduction = "mean", labelSmoothing = 0, wants } = params;
    const [classes, width] = weight.shape;
    const w = unpackAll(weight);
    const count = countLabels(labels.data, classes, ignoreIndex);
    const factor = reduction === "mean" ? 1 / count : 1;
    const logits = new Float64Array(classes);
    let total = 0;
    dhidden.data.fill(0);
    dweight.data.fill(0);
    for (let row = 0; row < labels.size; row++) {
      const label = labels.data[row];
      if (label === ignoreIndex) continue;
      const at = row * width;
      for (let c = 0; c < classes; c++) {
        logits[c] = 0;
        for (let d = 0; d < width; d++) logits[c] += hidden.data[at + d] * w[c * width + d];
      }
      total += rowGradient(logits, label, labelSmoothing);
      for (let c = 0; c < classes; c++) {
        const g = factor * logits[c];
        for (let d = 0; d < width; d++) {
          if (wants.hidden) dhidden.data[at + d] += g * w[c * width + d];
          if (wants.weight) dweight.data[c * width + d] += g * hidden.data[at + d];
        }
      }
    }
    loss.data[0] = total * factor;
  },
  wasm: (k, inputs, [loss, dhidden, dweight], params, scratch) => {
    const { ignoreIndex = -100, reduction = "mean", labelSmoothing = 0, wants } = params;
    const [hidden, weight, labels] = inputs;
    findBadLabel(k, labels, weight.shape[0], ignoreIndex);
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
  },
  saves: { inputs: [0, 1, 2], outputs: [1, 2] },
  vjp: (context) => {
    const { inputs, inputSpecs, outputs, needs, params } = context;
    const [dloss] = context.grads;
    const [hidden, weight, labels] = inputs;
    const [, dhidden, dweight] = outputs;
    const weightGrad = (make: () => Tensor) => (needs[1] ? toDTypeOf(make(), inputSpecs[1]) : null);
    if (!isGradEnabled()) return [needs[0] ? mul(dhidden, dloss) : null, weightGrad(() => mul(dweight, dloss)), null];
    const logits = matmul(hidden, weight, { transposeB: true });
    const [, sums] = crossEntropyWithRows(logits, labels, params);
    const dlogits = crossEntropyBackward(dloss, logits, labels, sums, params);
    const [g, h] = [asMatrix(dlogits), asMatrix(hidden)];
    return [matmul(dlogits, weight, {}), weightGrad(() => matmul(g, h, { transposeA: true })), null];
  },
});

/**
 * crossEntropy(hidden Wᵀ, labels) for hidden [..., D] and weight [V, D], also in half precision or packed, without ever holding all the logits: ignored rows
 * are skipped, and the gradients are made on the way where something wants them. Where the weight is frozen, classes go
 * through in blocks (Wijmans et al. 2024, https://arxiv.org/abs/2411.09009); else rows go through in chunks (Hsu et al.
 * 2024, https://arxiv.org/abs/2410.10989).
 */
export function linearCrossEntropy(
  hidden: Tensor,
  weight: Tensor,
  labels: Tensor,
  params: LinearCrossEntropyParams = {},
): Tensor {
  const recording = isGradEnabled();
  const wants = { hidden: recording && hidden.requiresGrad, weight: recording && weight.requiresGrad };
  const [loss, dhidden, dweight] = linearCrossEntropyOp(hidden, weight, labels, { ...params, wants });
  dhidden.dispose();
  dweight.dispose();
  return loss;
}
