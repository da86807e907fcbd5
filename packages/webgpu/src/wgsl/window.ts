import { byteLength, isPacked, type Shape, sizeOf } from "@lowrank/core/backend";
import type { GpuTensor } from "../kernel/kernel.ts";
import { codebookOf } from "./packed.ts";

/** Bytes between the places at which a kernel's view of a buffer may begin, on any device. */
export const alignment = 256;

/** Returns the bytes that a kernel sees of a tensor. */
export const bytesSeen = ({ buffer, window }: GpuTensor): number => window?.bytes ?? buffer.bytes;

/** Returns the bytes of as many elements, which are whole blocks. */
export const bytesOf = ({ dtype }: GpuTensor, elements: number): number => byteLength({ shape: [elements], dtype });

/** True if the elements lie in one run: formats with a codebook have parts, found by a header. */
export const isContiguous = ({ dtype }: GpuTensor): boolean => codebookOf(dtype) === undefined;

/**
 * Returns a tensor's elements from `from` on as a tensor of that shape, over as much of the buffer
 * as they need, and the place in it at which they begin. That is 0 where `from` lies a multiple of
 * 256 bytes behind the tensor's begin, as it must for packed weights.
 */
export function windowOf(tensor: GpuTensor, from: number, shape: Shape): { tensor: GpuTensor; start: number } {
  const { buffer, window } = tensor;
  const first = bytesOf(tensor, from);
  const over = first % alignment;
  const start = isPacked(tensor.dtype) ? 0 : over / bytesOf(tensor, 1);
  const size = sizeOf(shape);
  const offset = (window?.offset ?? 0) + first - over;
  // Kernels read numbers in fours.
  const bytes = Math.min(Math.ceil((over + bytesOf(tensor, size)) / 16) * 16, buffer.slab.bytes - offset);
  return { tensor: { ...tensor, shape, size, window: { offset, bytes } }, start };
}

/** Rows of some tensors, next to each other, as tensors of their own. */
interface Rows {
  readonly from: number;
  readonly rows: number;
  readonly tensors: readonly GpuTensor[];
}

/**
 * Cuts tensors of as many `rows` into parts that a kernel can see, of at most `most` bytes. Where
 * they fit, or a few rows are too large already, there is one part: the tensors themselves.
 */
export function inParts(tensors: readonly GpuTensor[], most: number, rows: number): readonly Rows[] {
  const whole = [{ from: 0, rows, tensors }];
  if (tensors.every((tensor) => bytesSeen(tensor) <= most) || !tensors.every(isContiguous)) return whole;
  const bytes = tensors.map((tensor) => bytesOf(tensor, tensor.size) / rows);
  // The least number of rows that are whole stretches of 256 bytes in every tensor.
  const step = Math.max(...bytes.map((each) => alignment / powerOfTwoIn(each)));
  const each = Math.floor((most - 16) / Math.max(...bytes) / step) * step;
  if (!(each > 0)) return whole;
  return Array.from({ length: Math.ceil(rows / each) }, (_, i) => {
    const from = i * each;
    const count = Math.min(each, rows - from);
    const part = (tensor: GpuTensor): GpuTensor => {
      const elements = tensor.size / rows;
      return windowOf(tensor, from * elements, [count * elements]).tensor;
    };
    return { from, rows: count, tensors: tensors.map(part) };
  });
}

/** Returns the largest power of two, up to 256, that divides a number of bytes, whole or not. */
function powerOfTwoIn(bytes: number): number {
  let power = alignment;
  while (bytes % power !== 0) power /= 2;
  return power;
}
