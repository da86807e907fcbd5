import {
  type adagradStep,
  adam8bitBlockSize,
  type adamStep,
  type adamStep8bit,
  type clipToNorm,
  type gradNorm,
  type rmspropStep,
  type sgdStep,
} from "@lowrank/core/backend";
import { kernel, type Scratch, type WasmKernel, type WasmTensor } from "./kernel.ts";
import type { Kernels } from "./kernelTypes.gen.ts";

/** Size in bytes of one entry of the table that `writeSegments` writes. */
const rowBytes = 24;

/**
 * Writes the table with which a kernel processes many arrays in one call. Each entry lists `size` (1 to 4) consecutive
 * tensors of equal length, such as a parameter and its gradient. Returns the total number of 1024-element blocks.
 */
function writeSegments(
  k: Kernels,
  tensors: readonly WasmTensor[],
  size: number,
  scratch: Scratch,
): { table: number; blocks: number } {
  const rows = tensors.length / size;
  const table = scratch(rowBytes * rows);
  const at = (row: number, column: number): number => (column < size ? tensors[row * size + column].ptr : 0);
  let blocks = 0;
  for (let i = 0; i < rows; i++) {
    blocks = k.setSegment(table, i, tensors[i * size].size, at(i, 0), at(i, 1), at(i, 2), at(i, 3));
  }
  return { table, blocks };
}

/**
 * Returns the last three arguments of an optimiser kernel: the address of the guard, its length, and a flag; all are 0
 * without a guard. The guard is a vector that has a non-finite value if the step must be skipped. If the flag is 0, the
 * kernel obeys the guard. If it is 1, the kernel changes no parameter, and sets the guard's last element to NaN if a
 * new value is not finite.
 */
function guardOf(
  inputs: readonly WasmTensor[],
  { guard }: { readonly guard?: "obey" | "test" },
): readonly [ptr: number, size: number, test: number] {
  if (guard === undefined) return [0, 0, 0];
  const { ptr, size } = inputs[inputs.length - 1];
  return [ptr, size, Number(guard === "test")];
}

export const sgdStepKernel: WasmKernel = kernel<typeof sgdStep>("sgdStep", (k, inputs, _outputs, params) => {
  const { lr, weightDecay, momentum, dampening, nesterov, first } = params;
  const [p, grad, buffer] = params.guard === undefined ? inputs : inputs.slice(0, -1);
  const [n, f] = [Number(nesterov), Number(first)];
  k.sgdStep(
    ...([p.ptr, grad.ptr, buffer?.ptr ?? 0, p.size, lr, weightDecay, momentum, 1 - dampening, n, f] as const),
    ...guardOf(inputs, params),
  );
});

export const adagradStepKernel: WasmKernel = kernel<typeof adagradStep>(
  "adagradStep",
  (k, inputs, _outputs, params) => {
    const [p, grad, sum] = inputs;
    const { lr, weightDecay, eps } = params;
    k.adagradStep(p.ptr, grad.ptr, sum.ptr, p.size, lr, weightDecay, eps, ...guardOf(inputs, params));
  },
);

export const rmspropStepKernel: WasmKernel = kernel<typeof rmspropStep>(
  "rmspropStep",
  (k, inputs, _outputs, params) => {
    const { lr, weightDecay, alpha, eps, momentum } = params;
    const [p, grad, mean, buffer] = params.guard === undefined ? inputs : inputs.slice(0, -1);
    const at = buffer?.ptr ?? 0;
    k.rmspropStep(
      ...([p.ptr, grad.ptr, mean.ptr, at, p.size, lr, weightDecay, alpha, 1 - alpha, eps, momentum] as const),
      ...guardOf(inputs, params),
    );
  },
);

export const adamStepKernel: WasmKernel = kernel<typeof adamStep>(
  "adamStep",
  (k, inputs, _outputs, params, scratch) => {
    const { lr, beta1, beta2, eps, weightDecay, step, decoupled } = params;
    const stepSize = lr / (1 - beta1 ** step);
    const rootFactor = 1 / Math.sqrt(1 - beta2 ** step);
    const [shrink, decay] = decoupled ? [1 - lr * weightDecay, 0] : [1, weightDecay];
    const [rest1, rest2] = [1 - beta1, 1 - beta2];
    const tensors = params.guard === undefined ? inputs : inputs.slice(0, -1);
    const { table, blocks } = writeSegments(k, tensors, 4, scratch);
    k.adamStep(
      ...([table, 0, blocks, beta1, rest1, beta2, rest2, stepSize, rootFactor, eps, shrink, decay] as const),
      ...guardOf(inputs, params),
    );
  },
);

export const adamStep8bitKernel: WasmKernel = kernel<typeof adamStep8bit>(
  "adamStep8bit",
  (k, inputs, _outputs, params, scratch) => {
    const [p, grad, m, v, mScales, vScales, mTable, vTable] = inputs;
    const { lr, beta1, beta2, eps, weightDecay, step } = params;
    const stepSize = lr / (1 - beta1 ** step);
    const rootFactor = 1 / Math.sqrt(1 - beta2 ** step);
    const [rest1, rest2, shrink] = [1 - beta1, 1 - beta2, 1 - lr * weightDecay];
    const room = scratch(8 * adam8bitBlockSize);
    const states = [m.ptr, v.ptr, mScales.ptr, vScales.ptr, mTable.ptr, vTable.ptr] as const;
    k.adamStep8bit(
      ...([p.ptr, grad.ptr, ...states, room, p.size] as const),
      ...([beta1, rest1, beta2, rest2, stepSize, rootFactor, eps, shrink] as const),
      ...guardOf(inputs, params),
    );
  },
);

export const gradNormKernel: WasmKernel = kernel<typeof gradNorm>("gradNorm", (k, inputs, [out], _params, scratch) => {
  const { table, blocks } = writeSegments(k, inputs, 1, scratch);
  const sums = scratch(8 * blocks);
  k.sumSquares(table, 0, blocks, sums);
  k.rootOfSum(sums, blocks, out.ptr);
});

export const clipToNormKernel: WasmKernel = kernel<typeof clipToNorm>(
  "clipToNorm",
  (k, inputs, _outputs, { maxNorm }, scratch) => {
    const { table, blocks } = writeSegments(k, inputs.slice(0, -1), 1, scratch);
    k.clipToNorm(table, 0, blocks, inputs[inputs.length - 1].ptr, maxNorm);
  },
);
