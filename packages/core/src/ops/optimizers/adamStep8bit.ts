import type { TensorSpec } from "../../backends/backend.ts";
import { expectDType, type Op } from "../../engine/op.ts";
import type { Tensor } from "../../engine/tensor.ts";
import { formatShape, sizeOf } from "../../layout/shape.ts";
import { adam8bitBlockSize } from "../../packed/blockwise/adam8bitBlockSize.ts";
import { encodeBlock, onGrid } from "../../packed/blockwise/eightBit.ts";
import { add } from "../binary/add.ts";
import { div } from "../binary/div.ts";
import { mul } from "../binary/mul.ts";
import { reshape } from "../shapes/reshape.ts";
import { defineStep } from "../shared/guard.ts";
import { affine } from "../unary/affine.ts";
import { sqrt } from "../unary/sqrt.ts";
import type { AdamStepParams } from "./adamStep.ts";
import { decodeInBlocks, encodeInBlocks } from "./eightBitComposed.ts";

const names = ["parameter", "gradient", "first moment", "second moment", "first scales", "second scales"];

function check(inputs: readonly TensorSpec[]): void {
  const [{ shape }] = inputs;
  const size = sizeOf(shape);
  const blocks = Math.ceil(size / adam8bitBlockSize);
  const sizes = [size, size, size, size, blocks, blocks, 256, 256];
  for (const [i, input] of inputs.entries()) {
    expectDType("adamStep8bit", inputs, i, i === 2 || i === 3 ? "u8" : "f32");
    if (sizeOf(input.shape) === sizes[i]) continue;
    throw new Error(
      `adamStep8bit: the ${names[i] ?? "code"} ${formatShape(input.shape)} must have ${sizes[i]} elements for a parameter ${formatShape(shape)}`,
    );
  }
}

/**
 * Updates a parameter in place by one AdamW step with 8-bit moments, as bitsandbytes' AdamW8bit does on its CPU
 * backend. Inputs: parameter, gradient, codes of the first moment, codes of the second moment, the scales of both (one
 * per 256 elements), and the two ascending tables f32 [256] of the values that the codes stand for. The step
 * dequantises the moments, updates and uses them as `adamStep` does, and quantises them again. Before a moment is
 * quantised, its scaled values are rounded to bitsandbytes' grid (`onGrid`). Otherwise the code of a small second
 * moment could be 0, and the next step would divide by almost 0. Dettmers et al. 2022, https://arxiv.org/abs/2110.02861
 */
export const adamStep8bit: Op<number, Omit<AdamStepParams, "decoupled">, 0> = defineStep({
  name: "adamStep8bit",
  arity: [8, 8],
  writes: (input) => input !== 1 && input !== 6 && input !== 7,
  check,
  ref: ([p, grad, m, v, mScales, vScales, mTable, vTable], _outputs, params) => {
    const { lr, beta1, beta2, eps, weightDecay, step } = params;
    const stepSize = lr / (1 - beta1 ** step);
    const root = Math.sqrt(1 - beta2 ** step);
    for (let from = 0, block = 0; from < p.size; from += adam8bitBlockSize, block++) {
      const length = Math.min(adam8bitBlockSize, p.size - from);
      const [first, second] = [new Float32Array(length), new Float32Array(length)];
      for (let i = 0; i < length; i++) {
        const g = grad.data[from + i];
        first[i] = beta1 * Math.fround(mTable.data[m.data[from + i]] * mScales.data[block]) + (1 - beta1) * g;
        second[i] = beta2 * Math.fround(vTable.data[v.data[from + i]] * vScales.data[block]) + (1 - beta2) * g * g;
        const move = (stepSize * first[i]) / (Math.sqrt(second[i]) / root + eps);
        p.data[from + i] = p.data[from + i] * (1 - lr * weightDecay) - move;
      }
      mScales.data[block] = encodeBlock(first, mTable.data, m.data, from, onGrid);
      vScales.data[block] = encodeBlock(second, vTable.data, v.data, from, onGrid);
    }
  },
  updated: (inputs, { lr, beta1, beta2, eps, weightDecay, step }) => {
    const [p, grad, m, v, mScales, vScales, mTable, vTable] = inputs.map((t) => reshape(t, { shape: [t.size] }));
    const before = (codes: Tensor, scales: Tensor, table: Tensor) =>
      decodeInBlocks(codes, scales, table, adam8bitBlockSize);
    const first = add(affine(before(m, mScales, mTable), { scale: beta1 }), affine(grad, { scale: 1 - beta1 }));
    const change = mul(affine(grad, { scale: 1 - beta2 }), grad);
    const second = add(affine(before(v, vScales, vTable), { scale: beta2 }), change);
    const root = affine(sqrt(second), { scale: 1 / Math.sqrt(1 - beta2 ** step), shift: eps });
    const move = div(affine(first, { scale: -lr / (1 - beta1 ** step) }), root);
    const firsts = encodeInBlocks(first, mTable, adam8bitBlockSize, true);
    const seconds = encodeInBlocks(second, vTable, adam8bitBlockSize, true);
    return [
      [p, add(affine(p, { scale: 1 - lr * weightDecay }), move)],
      [m, firsts.codes],
      [mScales, firsts.scales],
      [v, seconds.codes],
      [vScales, seconds.scales],
    ];
  },
});
