import { type SafetensorsFile, type Tensor, to } from "@lowrank/core";
import type { HalfDType } from "../model/adapter/adapter.ts";

/** The half-precision dtypes, by safetensors name. */
export const halfDTypes: Readonly<Partial<Record<string, HalfDType>>> = { F16: "f16", BF16: "bf16" };

/** Finds the tensors that are f16 or bf16 in the file but f32 in memory. Maps their keys to the dtype in the file. */
export function halfPrecisionOf(file: SafetensorsFile, tensors: ReadonlyMap<string, Tensor>): Map<string, HalfDType> {
  const stored = new Map<string, HalfDType>();
  for (const [key, tensor] of tensors) {
    if (tensor.dtype !== "f32" || !file.has(key)) continue;
    const half = halfDTypes[file.info(key).dtype];
    if (half) stored.set(key, half);
  }
  return stored;
}

/**
 * Decides whether half-precision tensors can be saved in half precision again. `stored` contains their dtypes in the
 * file, as `halfPrecisionOf` returns them. Returns `stored` if all current values can be stored in these dtypes without
 * rounding, otherwise an empty map. After training, values are therefore usually saved in f32 unless the user requests
 * another dtype.
 */
export async function unchangedHalfPrecision(
  stored: ReadonlyMap<string, HalfDType>,
  tensors: ReadonlyMap<string, Tensor>,
): Promise<ReadonlyMap<string, HalfDType>> {
  for (const [key, dtype] of stored) {
    const tensor = tensors.get(key);
    if (tensor && !(await fits(tensor, dtype))) return new Map();
  }
  return stored;
}

async function fits(tensor: Tensor, dtype: HalfDType): Promise<boolean> {
  using own = tensor.detach();
  using half = to(own, { dtype });
  using back = to(half, { dtype: "f32" });
  const [before, after] = [await own.bytes(), await back.bytes()];
  return before.every((byte, i) => byte === after[i]);
}
