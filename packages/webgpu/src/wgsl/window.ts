import { byteLength, isPacked, type Shape, sizeOf } from "@lowrank/core/backend";
import type { GpuTensor } from "../kernel/kernel.ts";
import { codebookOf } from "./packed.ts";

/** A buffer can be bound at offsets that are multiples of this many bytes, on any device. */
export const alignment = 256;

/** Returns the number of bytes of a tensor's buffer that a kernel binds. */
export const bytesSeen = ({ buffer, window }: GpuTensor): number => window?.bytes ?? buffer.bytes;

/** Returns the size in bytes of `elements` elements, which must be whole blocks. */
export const bytesOf = ({ dtype }: GpuTensor, elements: number): number => byteLength({ shape: [elements], dtype });

/**
 * True if elements are stored one after the other, so that a range of elements is a range of bytes. False for formats
 * with a codebook, which store codes and scales separately.
 */
export const isContiguous = ({ dtype }: GpuTensor): boolean => codebookOf(dtype) === undefined;

/**
 * Returns a tensor of `shape` that begins with element `from` of the given tensor, so that a kernel binds only a part
 * of the buffer. A binding must begin at a multiple of 256 bytes, so the returned tensor may begin a little earlier;
 * `start` is then the index of element `from` in it. For packed weights, element `from` itself must begin at a multiple
 * of 256 bytes, and `start` is 0.
 */
export function windowOf(tensor: GpuTensor, from: number, shape: Shape): { tensor: GpuTensor; start: number } {
  const { buffer, window } = tensor;
  const first = bytesOf(tensor, from);
  const over = first % alignment;
  const start = isPacked(tensor.dtype) ? 0 : over / bytesOf(tensor, 1);
  const size = sizeOf(shape);
  const offset = (window?.offset ?? 0) + first - over;
  // Kernels read four elements at a time.
  const bytes = Math.min(Math.ceil((over + bytesOf(tensor, size)) / 16) * 16, buffer.slab.bytes - offset);
  return { tensor: { ...tensor, shape, size, window: { offset, bytes } }, start };
}

/** A range of rows of several tensors, with each tensor cut to that range. */
interface Rows {
  readonly from: number;
  readonly rows: number;
  readonly tensors: readonly GpuTensor[];
}

/**
 * Cuts tensors of `rows` rows into ranges of rows, so that each tensor has at most `most` bytes, the maximum that a
 * kernel can bind. Returns the tensors unchanged if they fit, or if even the smallest range with aligned offsets is too
 * large.
 */
export function inParts(tensors: readonly GpuTensor[], most: number, rows: number): readonly Rows[] {
  const whole = [{ from: 0, rows, tensors }];
  if (tensors.every((tensor) => bytesSeen(tensor) <= most) || !tensors.every(isContiguous)) return whole;
  const bytes = tensors.map((tensor) => bytesOf(tensor, tensor.size) / rows);
  // The lowest number of rows whose size is a multiple of 256 bytes in every tensor.
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

/**
 * Returns the largest power of two, at most 256, that divides a size in bytes without a remainder. The size may be
 * fractional, such as 4.5 bytes per row; the power is then less than 1.
 */
function powerOfTwoIn(bytes: number): number {
  let power = alignment;
  while (bytes % power !== 0) power /= 2;
  return power;
}
