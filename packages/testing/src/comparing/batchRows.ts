import { clone, indexSelect, noGrad, scope, Tensor, tensor } from "@lowrank/core";
import type { LayerCall } from "./layerCalls.ts";

/** Returns the number of rows of a model's inputs: the first dimension of the first tensor. */
export function rowsOf(inputs: readonly unknown[]): number {
  for (const input of inputs) {
    if (input instanceof Tensor) return input.shape[0] ?? 1;
    for (const value of Object.values((input ?? {}) as object)) if (value instanceof Tensor) return value.shape[0] ?? 1;
  }
  return 1;
}

/**
 * Returns one row of each call, whose tensors the caller frees. Leaves out layers whose output does not have one entry
 * for each row of the batch.
 */
export function callsOfRow(calls: readonly LayerCall[], rows: number, row: number): LayerCall[] {
  return calls.flatMap(({ path, inputs, output }) => {
    if (output.shape[0] !== rows) return [];
    const parts = inputs.map((value) => (value instanceof Tensor ? partOf(value, rows, row) : value));
    return [{ path, inputs: parts, output: partOf(output, rows, row) }];
  });
}

/**
 * Returns the arguments of a model's `forward` for one row of a batch: tensors, and plain objects with tensors. Adds
 * the new tensors to `made`, which the caller frees.
 */
export function inputsOfRow(inputs: readonly unknown[], rows: number, row: number, made: Tensor[]): unknown[] {
  const part = (value: unknown) => {
    if (!(value instanceof Tensor)) return value;
    made.push(partOf(value, rows, row));
    return made.at(-1);
  };
  return inputs.map((input) => {
    if (typeof input !== "object" || input === null || Object.getPrototypeOf(input) !== Object.prototype) {
      return part(input);
    }
    return Object.fromEntries(Object.entries(input).map(([key, value]) => [key, part(value)]));
  });
}

/** Returns one row of a tensor that has one entry for each row of the batch; a copy of other tensors. */
export function partOf(t: Tensor, rows: number, row: number): Tensor {
  if (t.shape[0] !== rows) return noGrad(() => clone(t));
  const chosen = () => indexSelect(t, tensor(Int32Array.of(row), { backend: t.storage.backend }), { dim: 0 });
  return noGrad(() => scope(chosen));
}
