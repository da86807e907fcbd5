import { byteLength, isPacked, type TensorSpec } from "@lowrank/core/backend";

/** An input of an example. */
export interface ExampleInput extends TensorSpec {
  /** Integers are below it. */
  readonly below?: number;
  /** The integers themselves. */
  readonly values?: readonly number[];
}

/** Random numbers from 0 to 1, the same each time. */
function draws(): () => number {
  let state = 1;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Bytes of a block of GGUF, and the places of its scales. */
const blocks: Readonly<Record<string, { readonly bytes: number; readonly scales: readonly number[] }>> = {
  q4_0: { bytes: 18, scales: [0] },
  q4_1: { bytes: 20, scales: [0, 2] },
  q8_0: { bytes: 34, scales: [0] },
};

/** Any codes, with scales of moderate size, as docs/design/packed.md draws them. */
function packedBytes(spec: TensorSpec, next: () => number): Uint8Array {
  const bytes = Uint8Array.from({ length: byteLength(spec) }, () => Math.floor(256 * next()));
  const block = blocks[spec.dtype];
  if (block) {
    for (let at = 0; at < bytes.length; at += block.bytes) {
      for (const scale of block.scales) bytes[at + scale + 1] = 0x2c;
    }
    return bytes;
  }
  const view = new DataView(bytes.buffer);
  const { blockSize = 64, nested = false } = spec.packing ?? {};
  const size = spec.shape.reduce((a, b) => a * b, 1);
  const align = (at: number): number => 64 * Math.ceil(at / 64);
  const scales = align(64 + Math.ceil(size / 2));
  const second = align(scales + Math.ceil(size / blockSize));
  const header = [blockSize, scales, nested ? second : 0];
  for (const [i, word] of header.entries()) view.setUint32(4 * i, word, true);
  view.setFloat32(12, 0.25, true);
  for (let at = nested ? second : scales; at + 4 <= bytes.length; at += 4)
    view.setFloat32(at, 0.01 + 0.1 * next(), true);
  return bytes;
}

/** Returns numbers for the inputs of an example, as their bytes. */
export function exampleBytes(inputs: readonly ExampleInput[]): Uint8Array[] {
  const next = draws();
  return inputs.map((input) => {
    const { shape, dtype, below = 2, values } = input;
    if (isPacked(dtype)) return packedBytes(input, next);
    const size = shape.reduce((a, b) => a * b, 1);
    const sign = (): number => (next() < 0.5 ? 0x8000 : 0);
    const part = (range: number): number => Math.floor(range * next());
    const made = {
      f32: () => Float32Array.from({ length: size }, () => 2 * next() - 1),
      f16: () => Uint16Array.from({ length: size }, () => sign() + 0x3400 + part(0x800)),
      bf16: () => Uint16Array.from({ length: size }, () => sign() + 0x3e00 + part(0x180)),
      i32: () => Int32Array.from({ length: size }, (_, i) => values?.[i] ?? part(below)),
      u8: () => Uint8Array.from({ length: size }, () => part(2)),
      bool: () => Uint8Array.from({ length: size }, () => part(2)),
    }[dtype as "f32"]();
    return new Uint8Array(made.buffer);
  });
}
