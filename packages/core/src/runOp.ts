import type { BackendOp, TensorSpec } from "./backend.ts";
import { byteLength } from "./packing.ts";
import { Storage } from "./storage.ts";
import type { Tensor } from "./tensor.ts";

/** Runs an op on its inputs' backend; gives the memory of its outputs. */
export function runOp<P>(
  definition: BackendOp<P>,
  inputs: readonly Tensor[],
  specs: readonly TensorSpec[],
  params: P,
): Storage[] {
  const { backend } = inputs[0].storage;
  const storages = specs.map((spec) => new Storage(backend, byteLength(spec)));
  try {
    const outputs = specs.map(({ shape, dtype, packing }, i) => ({
      buffer: storages[i].buffer,
      shape,
      dtype,
      packing,
    }));
    backend.run(definition, inputs, outputs, params);
  } catch (error) {
    for (const storage of storages) storage.release();
    throw error;
  }
  return storages;
}
