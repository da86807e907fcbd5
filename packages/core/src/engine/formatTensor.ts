import type { TensorSpec } from "../backends/backend.ts";
import { bytesPerElement, type DType, isPacked, viewAs } from "../layout/dtype.ts";
import { bf16ToF32, f16ToF32 } from "../layout/half.ts";
import { formatShape, type Shape, sizeOf, stridesOf } from "../layout/shape.ts";
import type { Storage } from "./storage.ts";

/**
 * Tensors with more elements than this are shortened in print: only the first three and the last three entries of each
 * dimension are shown.
 */
const threshold = 1000;
const edge = 3;
const lineWidth = 80;
/** Floats are printed without exponents if their magnitudes are between these two. */
const [smallest, largest] = [1e-4, 1e8];

/** Reads `count` elements from element `start` on. Returns null if they cannot be read synchronously. */
type Reader = (start: number, count: number) => ArrayLike<number> | null;

/** Returns a tensor as text: `tensor([1, 2], f32 [2])`. `storage` is null if the tensor was freed. */
export function formatTensor(spec: TensorSpec & { requiresGrad: boolean }, storage: Storage | null): string {
  const { shape, dtype, requiresGrad } = spec;
  const kind = `${dtype} ${formatShape(shape)}${requiresGrad ? ", requiresGrad" : ""}`;
  if (!storage) return `tensor(${kind}, freed)`;
  if (isPacked(dtype)) return `tensor(${kind}, values: await t.to("f32").data())`;
  if (storage.backend.dataless) return `tensor(${kind}, no values)`;
  const values = visibleValues(shape, dtype, storage);
  return values ? `tensor(${values}, ${kind})` : `tensor(${kind}, values: await t.data())`;
}

/** Returns the values as text in brackets, or null if they cannot be read synchronously. */
function visibleValues(shape: Shape, dtype: DType, storage: Storage): string | null {
  const read = readerOf(dtype, storage);
  const shortened = sizeOf(shape) > threshold;
  const numbers: number[] = [];
  const strides = stridesOf(shape);
  const collect = (dim: number, start: number): boolean => {
    if (dim >= shape.length - 1) {
      const n = shape.length === 0 ? 1 : shape[dim];
      const runs =
        shortened && n > 2 * edge
          ? [
              [0, edge],
              [n - edge, edge],
            ]
          : [[0, n]];
      return runs.every(([from, count]) => {
        const part = read(start + from, count);
        if (part) numbers.push(...Array.from(part));
        return part !== null;
      });
    }
    return shown(shape[dim], shortened).every((i) => i === null || collect(dim + 1, start + i * strides[dim]));
  };
  if (sizeOf(shape) > 0 && !collect(0, 0)) return null;
  const texts = alignedTexts(numbers, dtype);
  let next = 0;
  const layout = (dim: number, indent: number): string => {
    if (dim === shape.length) return texts[next++];
    const items = shown(shape[dim], shortened).map((i) => (i === null ? "..." : layout(dim + 1, indent + 1)));
    if (dim === shape.length - 1) return `[${wrapped(items, indent + 1)}]`;
    const gap = `,${"\n".repeat(shape.length - 1 - dim)}${" ".repeat(indent + 1)}`;
    return `[${items.join(gap)}]`;
  };
  return layout(0, "tensor(".length);
}

/** Returns the positions of a dimension that are printed. Null stands for the omitted ones, printed as "...". */
function shown(size: number, shortened: boolean): (number | null)[] {
  const all = Array.from({ length: size }, (_, i) => i);
  return shortened && size > 2 * edge ? [...all.slice(0, edge), null, ...all.slice(size - edge)] : all;
}

function wrapped(items: readonly string[], indent: number): string {
  const lines: string[] = [];
  let line = "";
  for (const [i, item] of items.entries()) {
    const text = i < items.length - 1 ? `${item}, ` : item;
    if (line !== "" && indent + line.length + text.trimEnd().length > lineWidth) {
      lines.push(line.trimEnd());
      line = "";
    }
    line += text;
  }
  return [...lines, line].join(`\n${" ".repeat(indent)}`);
}

function readerOf(dtype: DType, { backend, buffer }: Storage): Reader {
  const each = bytesPerElement(dtype);
  return (start, count) => {
    const bytes = backend.read(buffer, start * each, (start + count) * each);
    if (bytes instanceof Promise) {
      // The read is asynchronous. An error in the data is reported where the caller awaits the values.
      bytes.catch(() => {});
      return null;
    }
    const aligned = bytes.byteOffset % each === 0 ? bytes : bytes.slice();
    const raw = viewAs(dtype, aligned.buffer, aligned.byteOffset, count);
    if (!(raw instanceof Uint16Array)) return raw;
    const wide = new Float32Array(count);
    if (dtype === "bf16") bf16ToF32(raw, wide);
    else f16ToF32(raw, wide);
    return wide;
  };
}

/** Formats numbers as texts of equal width: integers without decimals, other values with four. */
function alignedTexts(numbers: readonly number[], dtype: DType): string[] {
  const text = dtype === "bool" ? (n: number) => String(n !== 0) : numberText(numbers);
  const texts = numbers.map(text);
  const width = Math.max(...texts.map(({ length }) => length));
  return texts.map((t) => t.padStart(width));
}

function numberText(numbers: readonly number[]): (n: number) => string {
  const sizes = numbers.filter((n) => Number.isFinite(n) && n !== 0).map(Math.abs);
  const top = Math.max(...sizes);
  const least = Math.min(Infinity, ...sizes);
  const special = (n: number) => (Number.isNaN(n) ? "nan" : n === Infinity ? "inf" : "-inf");
  const finite = (print: (n: number) => string) => (n: number) => (Number.isFinite(n) ? print(n) : special(n));
  if (sizes.every(Number.isInteger) && top < largest) return finite((n) => (Object.is(n, -0) ? "-0" : String(n)));
  if (top >= largest || least < smallest) return finite((n) => n.toExponential(4));
  return finite((n) => n.toFixed(4));
}
