import type { TensorSpec } from "../../backends/backend.ts";
import { unpackAll } from "../../backends/packedFormat.ts";
import { full, scalarLike } from "../../creation/create.ts";
import { checkCall, defineOp, expectDType, type Op } from "../../engine/op.ts";
import type { Tensor } from "../../engine/tensor.ts";
import { formatShape } from "../../layout/shape.ts";
import { isGradEnabled } from "../../modes/gradMode.ts";
import { mul } from "../binary/mul.ts";
import { matmul } from "../products/matmul.ts";
import { expectWeight } from "../products/weight.ts";
import { reshape } from "../shapes/reshape.ts";
import { asMatrix } from "../shared/rows.ts";
import { toDTypeOf, widen } from "../unary/to.ts";
import {
  checkLabels,
  countLabels,
  crossEntropyBackward,
  crossEntropyWithRows,
  labelOutOfRange,
  rowGradient,
} from "./crossEntropy.ts";

/** Options of `linearCrossEntropy`; see `crossEntropy`. */
export interface LinearCrossEntropyParams {
  readonly ignoreIndex?: number;
  readonly reduction?: "mean" | "sum";
  readonly labelSmoothing?: number;
}

/** Parameters of the op behind `linearCrossEntropy`. */
export interface LinearCrossEntropyOpParams extends LinearCrossEntropyParams {
  /**
   * Selects the gradients that the forward pass computes in addition to the loss. If `hidden` or `weight` is true,
   * computes the gradient with respect to this input.
   */
  readonly wants: { readonly hidden: boolean; readonly weight: boolean };
}

function check(inputs: readonly TensorSpec[]): void {
  const [hidden, weight, labels] = inputs;
  expectDType("linearCrossEntropy", inputs, 0, "f32");
  expectWeight("linearCrossEntropy", inputs, 1);
  const [h, w] = [hidden.shape, weight.shape];
  if (w.length !== 2 || h[h.length - 1] !== w[1]) {
    throw new Error(
      `linearCrossEntropy: hidden ${formatShape(h)} must end in the width of the weight ${formatShape(w)}`,
    );
  }
  checkLabels("linearCrossEntropy", hidden, labels);
}

/** Returns the loss and the gradients of hidden and weight that `wants` requests, all computed in one pass. */
export const linearCrossEntropyOp: Op<3, LinearCrossEntropyOpParams, 3> = defineOp({
  name: "linearCrossEntropy",
  arity: 3,
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
  compose: ([hidden, weight, labels], { wants, ...params }) => {
    const rows = reshape(hidden, { shape: [labels.size, weight.shape[1]] });
    const flat = reshape(labels, { shape: [labels.size] });
    const wide = widen(weight);
    const logits = matmul(rows, wide, { transposeB: true });
    const [loss, sums] = crossEntropyWithRows(logits, flat, params);
    const none = () => full([0], 0, { backend: hidden.storage.backend });
    if (!wants.hidden && !wants.weight) return [loss, none(), none()];
    const dlogits = crossEntropyBackward(scalarLike(loss, 1), logits, flat, sums, params);
    const dhidden = () => reshape(matmul(dlogits, wide, {}), { shape: hidden.shape });
    const dweight = () => matmul(dlogits, rows, { transposeA: true });
    return [loss, wants.hidden ? dhidden() : none(), wants.weight ? dweight() : none()];
  },
  fault: (at, label, [, weight], { ignoreIndex = -100 }) => labelOutOfRange(label, at, weight.shape[0], ignoreIndex),
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
 * Returns crossEntropy(hidden Wᵀ, labels) for hidden [..., D] and weight [V, D] (also half precision or packed),
 * without storing all logits at once. Ignored rows are skipped. Gradients are computed in the forward pass, if they are
 * needed. With a frozen weight, classes are processed in blocks (Wijmans et al. 2024,
 * https://arxiv.org/abs/2411.09009); otherwise rows are processed in chunks (Hsu et al. 2024,
 * https://arxiv.org/abs/2410.10989).
 */
export function linearCrossEntropy(
  hidden: Tensor,
  weight: Tensor,
  labels: Tensor,
  params: LinearCrossEntropyParams = {},
): Tensor {
  checkCall("linearCrossEntropy", 3, arguments, params, { ignoreIndex: true, reduction: true, labelSmoothing: true });
  const recording = isGradEnabled();
  const wants = { hidden: recording && hidden.requiresGrad, weight: recording && weight.requiresGrad };
  const [loss, dhidden, dweight] = linearCrossEntropyOp(hidden, weight, labels, { ...params, wants });
  dhidden.dispose();
  dweight.dispose();
  return loss;
}
