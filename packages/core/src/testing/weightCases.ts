import type { BlockDType } from "../dtype.ts";
import * as f from "../functional/index.ts";
import { blockFormats } from "../packed/index.ts";
import { packedTensor } from "../packedTensor.ts";
import type { Tensor } from "../tensor.ts";
import type { OpCase } from "./cases.ts";
import type { Input } from "./input.ts";

/** Numbers in blocks of GGUF. */
function inBlocks(t: Tensor, dtype: BlockDType, values = t.dataSync() as Float32Array): Tensor {
  const bytes = blockFormats[dtype].pack(values, "a weight");
  return packedTensor(bytes, { shape: t.shape, dtype, backend: t.storage.backend });
}

type Store = (w: Tensor, values?: Float32Array) => Tensor;

/**
 * Every way of storing an f32 weight in another format; rows of GGUF's are whole blocks of 32. The
 * weight's elements need not be given where its backend reads at once.
 */
export const storedWeights: Readonly<Record<string, Store>> = {
  f16: (w) => f.to(w, { dtype: "f16" }),
  bf16: (w) => f.to(w, { dtype: "bf16" }),
  nf4: (w) => f.quantize4bit(w, { blockSize: 32 }),
  "nf4, nested": (w) => f.quantize4bit(w, { doubleQuant: true }),
  fp4: (w) => f.quantize4bit(w, { quantType: "fp4", blockSize: 128 }),
  ...Object.fromEntries(
    Object.values(blockFormats).map(({ dtype }): [string, Store] => [dtype, (w, values) => inBlocks(w, dtype, values)]),
  ),
};

/**
 * The function with the input at position `weight`, an f32 one, stored in every way; gradients of
 * the others are compared.
 */
export function weightCases(
  inputs: readonly Input[],
  weight: number,
  run: (...inputs: Tensor[]) => Tensor | readonly Tensor[],
): OpCase[] {
  const { shape } = inputs[weight];
  const gradients = inputs.flatMap(({ dtype = "f32" }, i) => (dtype === "f32" && i !== weight ? [i] : []));
  return Object.entries(storedWeights).flatMap(([name, store]) => {
    if (name in blockFormats && shape[shape.length - 1] % 32 !== 0) return [];
    const stored = inputs.with(weight, { ...inputs[weight], store });
    return [{ name: `${name} ${shape}`, inputs: stored, gradients, run: (t) => run(...t) }];
  });
}
