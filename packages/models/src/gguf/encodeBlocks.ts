import { f32ToBf16, f32ToF16 } from "@lowrank/core";
import { ggmlTypes } from "./ggmlTypes.ts";

// The rounding is that of llama.cpp's reference code (quantize_row_*_ref in ggml-quants.c), which gguf-py repeats: every
// intermediate result is an f32, and no product is fused with a sum.

/** The types of tensors that can be written, by ggml's names. */
export type GgufEncoding = "F32" | "F16" | "BF16" | "Q8_0" | "Q4_1";

/** How a tensor's numbers can be written into a GGUF file: ggml's number of the type, and the blocks of a row. */
export const encodings: Readonly<Record<GgufEncoding, Encoding>> = {
  F32: encoding(0, encodeF32),
  F16: encoding(1, halves(f32ToF16)),
  Q4_1: encoding(3, encodeQ4_1),
  Q8_0: encoding(8, encodeQ8_0),
  BF16: encoding(30, halves(f32ToBf16)),
};

type Encode = (values: Float32Array, what: string) => Uint8Array<ArrayBuffer>;

interface Encoding {
  readonly id: number;
  /** Elements of a block, and the bytes it takes. */
  readonly blockSize: number;
  readonly blockBytes: number;
  readonly encode: Encode;
}

function encoding(id: number, encode: Encode): Encoding {
  const { blockSize, blockBytes } = ggmlTypes.get(id)!;
  return { id, blockSize, blockBytes, encode };
}

/** Bytes of `count` elements; `count` is a whole number of blocks. */
export function encodedLength(type: GgufEncoding, count: number): number {
  const { blockSize, blockBytes } = encodings[type];
  return (count / blockSize) * blockBytes;
}

/**
 * Whole rows of numbers as the blocks of a GGUF file, little-endian: the bytes of gguf-py's `quantize`. `what` names the
 * tensor in errors: a number that is not finite (a quantised block would lose all others), or beyond what f16 holds.
 */
export function encodeBlocks(type: GgufEncoding, values: Float32Array, what: string): Uint8Array<ArrayBuffer> {
  const { blockSize, encode } = encodings[type];
  if (values.length % blockSize !== 0) {
    throw new Error(`${what}: ${values.length} numbers are no whole blocks of ${blockSize}, which ${type} needs`);
  }
  return encode(values, what);
}

function encodeF32(values: Float32Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(values.slice().buffer);
}

function halves(narrow: (from: Float32Array, to: Uint16Array) => void): Encode {
  return (values, what) => {
    const codes = new Uint16Array(values.length);
    narrow(values, codes);
    if (narrow === f32ToF16) {
      const lost = codes.findIndex((code, i) => (code & 0x7fff) === 0x7c00 && Number.isFinite(values[i]));
      if (lost >= 0) throw new Error(`${what} holds ${values[lost]}, beyond f16's 65504; write bf16 or f32`);
    }
    return new Uint8Array(codes.buffer);
  };
}

/** Blocks of 32: the scale d = max |x| / 127 as f16, then round(x / d), halves away from zero, as i8. */
function encodeQ8_0(values: Float32Array, what: string): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(encodedLength("Q8_0", values.length));
  const scale = new ScaleWriter(out, "Q8_0", what);
  for (let start = 0, at = 0; start < values.length; start += 32, at += 34) {
    let largest = 0;
    for (let i = start; i < start + 32; i++) largest = Math.max(largest, Math.abs(values[i]));
    const d = Math.fround(largest / 127);
    scale.write(d, at);
    const inverse = inverseOf(d);
    for (let i = 0; i < 32; i++) {
      const x = Math.fround(values[start + i] * inverse);
      out[at + 2 + i] = x < 0 ? Math.ceil(x - 0.5) : Math.floor(x + 0.5);
    }
  }
  return out;
}

/** Blocks of 32: d = (max - min) / 15 and min as f16, then (x - min) / d rounded, 4 bits each: element i low, i + 16 high. */
function encodeQ4_1(values: Float32Array, what: string): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(encodedLength("Q4_1", values.length));
  const scale = new ScaleWriter(out, "Q4_1", what);
  for (let start = 0, at = 0; start < values.length; start += 32, at += 20) {
    let least = values[start];
    let most = least;
    for (let i = start; i < start + 32; i++) {
      // A NaN stays, and is refused as a scale.
      least = Math.min(least, values[i]);
      most = Math.max(most, values[i]);
    }
    const d = Math.fround(Math.fround(most - least) / 15);
    scale.write(d, at);
    scale.write(least, at + 2);
    const inverse = inverseOf(d);
    const code = (x: number) => {
      const scaled = Math.fround(Math.fround(x - least) * inverse);
      return Math.min(15, Math.trunc(Math.fround(scaled + 0.5)));
    };
    for (let i = 0; i < 16; i++) out[at + 4 + i] = code(values[start + i]) | (code(values[start + 16 + i]) << 4);
  }
  return out;
}

/** 1 / d in f32. Where it overflows, d as f16 is zero: any code means the same number, and zeros are written. */
function inverseOf(d: number): number {
  const inverse = Math.fround(1 / d);
  return Number.isFinite(inverse) ? inverse : 0;
}

/** Writes the f16 scales of blocks; throws for one that is not finite, or would not be as f16. */
class ScaleWriter {
  readonly #view: DataView;
  readonly #type: GgufEncoding;
  readonly #what: string;
  readonly #wide = new Float32Array(1);
  readonly #code = new Uint16Array(1);

  constructor(out: Uint8Array, type: GgufEncoding, what: string) {
    this.#view = new DataView(out.buffer);
    this.#type = type;
    this.#what = what;
  }

  write(scale: number, at: number): void {
    this.#wide[0] = scale;
    f32ToF16(this.#wide, this.#code);
    if ((this.#code[0] & 0x7fff) >= 0x7c00) {
      const found = Number.isFinite(scale) ? "numbers too large for an f16 scale" : "a number that is not finite";
      throw new Error(`${this.#what} holds ${found}, which ${this.#type} cannot store; write bf16 or f32`);
    }
    this.#view.setUint16(at, this.#code[0], true);
  }
}
