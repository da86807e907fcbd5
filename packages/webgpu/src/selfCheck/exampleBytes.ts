import {
  type BlockFormat,
  byteLength,
  formatOf,
  fourBitLayout,
  isPacked,
  type Packing,
  sizeOf,
  type TensorSpec,
  writeHeader,
} from "@lowrank/core/backend";
import type { ExampleInput } from "../kernel/example.ts";

/** Returns a function that draws pseudo-random values from 0 to 1, the same sequence each time. */
function draws(): () => number {
  let state = 1;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Returns the bytes of a packed weight with random codes, and scales of moderate size. */
function packedBytes(spec: TensorSpec, dtype: Parameters<typeof formatOf>[0], next: () => number): Uint8Array {
  const bytes = Uint8Array.from({ length: byteLength(spec) }, () => Math.floor(256 * next()));
  const format = formatOf(dtype);
  if ("block" in format) {
    const { block } = format as BlockFormat;
    for (let at = 0; at < bytes.length; at += block.bytes) {
      for (const half of block.halves) bytes[at + half + 1] = 0x2c;
    }
    return bytes;
  }
  const packing = spec.packing as Packing;
  const size = sizeOf(spec.shape);
  const { absmax, nested } = fourBitLayout(size, packing);
  writeHeader(bytes, size, packing, 0.25);
  const view = new DataView(bytes.buffer);
  for (let at = nested || absmax; at < bytes.length; at += 4) view.setFloat32(at, 0.01 + 0.1 * next(), true);
  return bytes;
}

/** Returns the bytes of each input of an example, drawn at random unless `values` sets them. */
export function exampleBytes(inputs: readonly ExampleInput[]): Uint8Array[] {
  const next = draws();
  return inputs.map((input) => {
    const { shape, dtype, positive = false, below = 2, values } = input;
    if (isPacked(dtype)) return packedBytes(input, dtype, next);
    const size = sizeOf(shape);
    const sign = (): number => (next() < 0.5 ? 0x8000 : 0);
    const part = (range: number): number => Math.floor(range * next());
    const made = {
      f32: () => Float32Array.from({ length: size }, (_, i) => values?.[i] ?? (positive ? next() : 2 * next() - 1)),
      f16: () => Uint16Array.from({ length: size }, () => sign() + 0x3400 + part(0x800)),
      bf16: () => Uint16Array.from({ length: size }, () => sign() + 0x3e00 + part(0x180)),
      i32: () => Int32Array.from({ length: size }, (_, i) => values?.[i] ?? part(below)),
      u8: () => Uint8Array.from({ length: size }, () => part(below)),
      bool: () => Uint8Array.from({ length: size }, () => part(2)),
    }[dtype as "f32"]();
    return new Uint8Array(made.buffer);
  });
}
