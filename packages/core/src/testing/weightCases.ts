import type { Backend } from "../backends/backend.ts";
import type { Tensor } from "../engine/tensor.ts";
import * as f from "../functional/index.ts";
import type { BlockDType } from "../layout/dtype.ts";
import { blockFormats, packedFormats } from "../packed/index.ts";
import { packedTensor } from "../quantize/packedTensor.ts";
import type { OpCase } from "./cases.ts";
import type { Input } from "./input.ts";

/** Packs values in blocks of a GGUF format. */
function inBlocks(t: Tensor, dtype: BlockDType, values = t.dataSync() as Float32Array): Tensor {
  const bytes = blockFormats[dtype].pack(values, "a weight");
  return packedTensor(bytes, { shape: t.shape, dtype, backend: t.storage.backend });
}

type Store = (w: Tensor, values?: Float32Array) => Tensor;

/** Loads all code that ops on a backend need for `storedWeights`. */
export async function prepareStored(backend: Backend): Promise<void> {
  for (const { dtype } of Object.values(packedFormats)) await backend.prepare?.(dtype);
}

const inFormats = (elements: number): Readonly<Record<string, Store>> => {
  const formats = Object.values(blockFormats).filter(({ block }) => block.elements === elements);
  return Object.fromEntries(
    formats.map(({ dtype }): [string, Store] => [dtype, (w, values) => inBlocks(w, dtype, values)]),
  );
};

/**
 * Functions that store an f32 weight in another format; call `prepareStored` before. For GGUF formats each row must be
 * whole blocks of 32. The weight's elements may be omitted if its backend reads synchronously.
 */
export const storedWeights: Readonly<Record<string, Store>> = {
  f16: (w) => f.to(w, { dtype: "f16" }),
  bf16: (w) => f.to(w, { dtype: "bf16" }),
  nf4: (w) => f.quantize4bit(w, { blockSize: 32 }),
  "nf4, nested": (w) => f.quantize4bit(w, { doubleQuant: true }),
  fp4: (w) => f.quantize4bit(w, { quantType: "fp4", blockSize: 128 }),
  ...inFormats(32),
};

/** The same for GGUF formats whose rows must be whole blocks of 256. */
export const wideStoredWeights: Readonly<Record<string, Store>> = inFormats(256);

/**
 * Returns cases of a function for every storage format of the f32 input at position `weight`. Gradients of the other
 * inputs are compared.
 */
export function weightCases(
  inputs: readonly Input[],
  weight: number,
  run: (...inputs: Tensor[]) => Tensor | readonly Tensor[],
): OpCase[] {
  const { shape } = inputs[weight];
  const gradients = inputs.flatMap(({ dtype = "f32" }, i) => (dtype === "f32" && i !== weight ? [i] : []));
  return Object.entries({ ...storedWeights, ...wideStoredWeights }).flatMap(([name, store]) => {
    const { elements } = blockFormats[name as BlockDType]?.block ?? { elements: 1 };
    if (shape[shape.length - 1] % elements !== 0) return [];
    const stored = inputs.with(weight, { ...inputs[weight], store });
    return [{ name: `${name} ${shape}`, inputs: stored, gradients, run: (t) => run(...t) }];
  });
}
