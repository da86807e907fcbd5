import { packedTensor } from "../create.ts";
import * as f from "../functional/index.ts";
import { byteLength } from "../packing.ts";
import type { Tensor } from "../tensor.ts";
import type { OpCase } from "./cases.ts";
import type { Input } from "./input.ts";

/** f16 1/64, and 1/4 and -2: what a byte and a nibble count in, and what a nibble counts from. */
const [byteScale, nibbleScale, nibbleStart] = [0x2400, 0x3400, 0xc000];

const nibble = (v: number): number => Math.min(Math.max(Math.round((v + 2) * 4), 0), 15);

/** Numbers between -2 and 2 in blocks of GGUF. */
function ggufTensor(t: Tensor, dtype: "q4_1" | "q8_0", values: ArrayLike<number> = t.dataSync()): Tensor {
  const spec = { shape: t.shape, dtype, backend: t.storage.backend };
  const bytes = new Uint8Array(byteLength(spec));
  const view = new DataView(bytes.buffer);
  for (let from = 0, at = 0; from < values.length; from += 32, at += dtype === "q4_1" ? 20 : 34) {
    view.setUint16(at, dtype === "q4_1" ? nibbleScale : byteScale, true);
    if (dtype === "q4_1") view.setUint16(at + 2, nibbleStart, true);
    for (let i = 0; i < 32; i++) {
      if (dtype === "q8_0") view.setInt8(at + 2 + i, Math.min(Math.round(values[from + i] * 64), 127));
      else bytes[at + 4 + (i % 16)] |= nibble(values[from + i]) << (i < 16 ? 0 : 4);
    }
  }
  return packedTensor(bytes, spec);
}

/** Every way of storing an f32 weight of numbers from -2 to 2 in another format; rows of q4_1 and q8_0 are whole blocks of 32. */
export const storedWeights: Readonly<Record<string, (w: Tensor, values?: Float32Array) => Tensor>> = {
  f16: (w) => f.to(w, { dtype: "f16" }),
  bf16: (w) => f.to(w, { dtype: "bf16" }),
  nf4: (w) => f.quantize4bit(w, { blockSize: 32 }),
  "nf4, nested": (w) => f.quantize4bit(w, { doubleQuant: true }),
  fp4: (w) => f.quantize4bit(w, { quantType: "fp4", blockSize: 128 }),
  q4_1: (w, values) => ggufTensor(w, "q4_1", values),
  q8_0: (w, values) => ggufTensor(w, "q8_0", values),
};

/** The function with the input at position `weight`, an f32 one, stored in every way; gradients of the others are compared. */
export function weightCases(
  inputs: readonly Input[],
  weight: number,
  run: (...inputs: Tensor[]) => Tensor | readonly Tensor[],
): OpCase[] {
  const { shape } = inputs[weight];
  const gradients = inputs.flatMap(({ dtype = "f32" }, i) => (dtype === "f32" && i !== weight ? [i] : []));
  return Object.entries(storedWeights).flatMap(([name, store]) => {
    if (/^q/.test(name) && shape[shape.length - 1] % 32 !== 0) return [];
    const stored = inputs.with(weight, { ...inputs[weight], store });
    return [{ name: `${name} ${shape}`, inputs: stored, gradients, run: (t) => run(...t) }];
  });
}
