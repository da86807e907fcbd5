import { byteLength, isPacked, type Shape, sizeOf } from "@lowrank/core/backend";
import type { GpuTensor } from "../kernel/kernel.ts";
import { codebookOf } from "./packed.ts";

/** Alignment in bytes of the offset of a kernel's view of a buffer, valid on any device. */
export const alignment = 256;

/** Returns the bytes of a tensor that a kernel binds. */
export const bytesSeen = ({ buffer, window }: GpuTensor): number => window?.bytes ?? buffer.bytes;

/** Returns the bytes of `elements` elements, which must be whole blocks. */
export const bytesOf = ({ dtype }: GpuTensor, elements: number): number => byteLength({ shape: [elements], dtype });

/** True if the elements are contiguous; formats with a codebook are stored in parts, found by a header. */
export const isContiguous = ({ dtype }: GpuTensor): boolean => codebookOf(dtype) === undefined;

/**
 * Returns a tensor of that shape over the elements from `from` on, bound to no more of the buffer than needed, and the
 * index at which they start in it. That index is 0 if `from` is a multiple of 256 bytes after the tensor's start, which
 * packed weights require.
 */
export function windowOf(tensor: GpuTensor, from: number, shape: Shape): { tensor: GpuTensor; start: number } {
  const { buffer, window } = tensor;
  const first = bytesOf(tensor, from);
  const over = first % alignment;
  const start = isPacked(tensor.dtype) ? 0 : over / bytesOf(tensor, 1);
  const size = sizeOf(shape);
  const offset = (window?.offset ?? 0) + first - over;
  // Kernels read elements in fours.
  const bytes = Math.min(Math.ceil((over + bytesOf(tensor, size)) / 16) * 16, buffer.slab.bytes - offset);
  return { tensor: { ...tensor, shape, size, window: { offset, bytes } }, start };
}

/** A range of rows of some tensors, each as a separate tensor. */
interface Rows {
  readonly from: number;
  readonly rows: number;
  readonly tensors: readonly GpuTensor[];
}

/**
 * Cuts tensors of `rows` rows into parts of at most `most` bytes, which a kernel can bind. Returns one part, the
 * tensors themselves, if they fit or if even a few rows are too large.
 */
export function inParts(tensors: readonly GpuTensor[], most: number, rows: number): readonly Rows[] {
  const whole = [{ from: 0, rows, tensors }];
  if (tensors.every((tensor) => bytesSeen(tensor) <= most) || !tensors.every(isContiguous)) return whole;
  const bytes = tensors.map((tensor) => bytesOf(tensor, tensor.size) / rows);
  // The least number of rows whose size is a multiple of 256 bytes in every tensor.
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

/** Returns the largest power of two, up to 256, that divides a number of bytes, even a fractional one. */
function powerOfTwoIn(bytes: number): number {
  let power = alignment;
  while (bytes % power !== 0) power /= 2;
  return power;
}
