import type { Backend, BackendOp, TensorRef, TensorSpec } from "../backends/backend.ts";
import { byteLength } from "../backends/packedFormat.ts";
import { formatShape, sameShape } from "../layout/shape.ts";
import { noGrad } from "../modes/gradMode.ts";
import type { OpDefinition } from "./op.ts";
import { scope } from "./scope.ts";
import { Storage } from "./storage.ts";
import type { Tensor } from "./tensor.ts";

/**
 * Runs an op by the backend's kernel or, if it has none, by the op's composition of other ops. Returns the outputs'
 * memory.
 */
export function runOp<P>(
  definition: OpDefinition<P>,
  inputs: readonly Tensor[],
  specs: readonly TensorSpec[],
  params: P,
  supported: boolean = inputs[0].storage.backend.supports(definition, inputs, params),
): Storage[] {
  return supported ? runKernel(definition, inputs, specs, params) : runComposition(definition, inputs, specs, params);
}

/** Runs an op by its backend's kernel. */
function runKernel<P>(
  definition: BackendOp<P>,
  inputs: readonly Tensor[],
  specs: readonly TensorSpec[],
  params: P,
): Storage[] {
  const { backend } = inputs[0].storage;
  return makeOutputs(backend, definition.name, specs, (outputs) => backend.run(definition, inputs, outputs, params));
}

/**
 * Allocates memory for an op's outputs, and calls `fill` to write the values into it. If `fill` throws, frees the
 * memory.
 */
export function makeOutputs(
  backend: Backend,
  maker: string,
  specs: readonly TensorSpec[],
  fill: (outputs: readonly TensorRef[]) => void,
): Storage[] {
  const storages = new Array<Storage>(specs.length);
  const outputs = new Array<TensorRef>(specs.length);
  for (let i = 0; i < specs.length; i++) {
    const { shape, dtype, packing } = specs[i];
    storages[i] = new Storage(backend, byteLength(specs[i]), maker);
    outputs[i] = { buffer: storages[i].buffer, shape, dtype, packing };
  }
  try {
    fill(outputs);
  } catch (error) {
    for (const storage of storages) storage.release();
    throw error;
  }
  return storages;
}

/**
 * Runs an op's composition as if it were a kernel, without recording its ops for gradients. Use it if no gradient is
 * needed, or if the op has its own gradient rule.
 */
function runComposition<P>(
  definition: OpDefinition<P>,
  inputs: readonly Tensor[],
  specs: readonly TensorSpec[],
  params: P,
): Storage[] {
  return noGrad(() => composeOp(definition, inputs, specs, params)).map((output) => {
    const storage = output.storage.retain();
    if (!inputs.includes(output)) output.dispose();
    return storage;
  });
}

/**
 * Computes an op's outputs from other ops, and frees intermediate tensors. Throws if an output does not have the
 * expected shape and dtype.
 */
export function composeOp<P>(
  { name, compose }: OpDefinition<P>,
  inputs: readonly Tensor[],
  specs: readonly TensorSpec[],
  params: P,
): Tensor[] {
  if (!compose) throw new Error(`${name}: the ${inputs[0].storage.backend.name} backend has no kernel for this op`);
  const outputs = scope(() => [compose(inputs, params)].flat());
  for (const [i, { shape, dtype }] of specs.entries()) {
    const output = outputs[i];
    if (output?.dtype === dtype && sameShape(output.shape, shape)) continue;
    const found = output ? `${output.dtype} ${formatShape(output.shape)}` : "nothing";
    throw new Error(
      `${name}: its composition returned ${found} for output ${i}; expected ${dtype} ${formatShape(shape)}`,
    );
  }
  return outputs;
}
