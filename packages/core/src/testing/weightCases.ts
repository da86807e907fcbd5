import type { Backend } from "../backends/backend.ts";
import type { Tensor } from "../engine/tensor.ts";
import * as f from "../functional/index.ts";
import type { BlockDType } from "../layout/dtype.ts";
import { blockFormats, packedFormats } from "../packed/index.ts";
import { packedTensor } from "../quantize/packedTensor.ts";
import type { OpCase } from "./cases.ts";
import type { Input } from "./input.ts";

/** Quantises an f32 tensor to blocks of a GGUF dtype. */
function inBlocks(t: Tensor, dtype: BlockDType, values = t.dataSync() as Float32Array): Tensor {
  const bytes = blockFormats[dtype].pack(values, "a weight");
  return packedTensor(bytes, { shape: t.shape, dtype, backend: t.storage.backend });
}

type Store = (w: Tensor, values?: Float32Array) => Tensor;

/** Loads the code that ops on a backend need for the formats of `storedWeights`. */
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
 * Functions that convert an f32 weight to another format, by the format's name; call `prepareStored` before. GGUF
 * formats require rows of whole blocks of 32. The weight's elements, the second argument, may be omitted if its backend
 * can be read synchronously.
 */
export const storedWeights: Readonly<Record<string, Store>> = {
  f16: (w) => f.to(w, { dtype: "f16" }),
  bf16: (w) => f.to(w, { dtype: "bf16" }),
  nf4: (w) => f.quantize4bit(w, { blockSize: 32 }),
  "nf4, nested": (w) => f.quantize4bit(w, { doubleQuant: true }),
  fp4: (w) => f.quantize4bit(w, { quantType: "fp4", blockSize: 128 }),
  ...inFormats(32),
};

/** Functions as in `storedWeights`, for GGUF formats that require rows of whole blocks of 256. */
export const wideStoredWeights: Readonly<Record<string, Store>> = inFormats(256);

/**
 * Returns test cases of a function in which the f32 input at position `weight` is stored in each format. Gradients are
 * compared for the other inputs.
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
