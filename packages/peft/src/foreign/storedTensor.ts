import { bf16ToF32, f16ToF32, type SafetensorsData, type SafetensorsTensor } from "@lowrank/core";

/** A tensor's dtype, shape and bytes as a file stores them, without its name. */
export type StoredTensor = Omit<SafetensorsTensor, "name">;

/** A tensor of a file, converted to f32. */
export interface StoredValues {
  values: Float32Array;
  shape: number[];
}

/** Converts f32, f16 or bf16 data to f32 values. Throws for other dtypes. */
export function valuesOf({ dtype, shape, bytes }: SafetensorsData, what: string): StoredValues {
  const { buffer } = Uint8Array.from(bytes);
  if (dtype === "f32") return { values: new Float32Array(buffer), shape };
  if (dtype !== "f16" && dtype !== "bf16") throw new Error(`${what} is ${dtype}; it must be f32, f16 or bf16`);
  const bits = new Uint16Array(buffer);
  const values = new Float32Array(bits.length);
  if (dtype === "f16") f16ToF32(bits, values);
  else bf16ToF32(bits, values);
  return { values, shape };
}

/** Returns the transpose of a stored matrix. */
export function transposedStored({ dtype, shape: [rows, columns], bytes }: StoredTensor): StoredTensor {
  const width = bytes.length / (rows * columns);
  const out = new Uint8Array(bytes.length);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      for (let k = 0; k < width; k++) out[(j * rows + i) * width + k] = bytes[(i * columns + j) * width + k];
    }
  }
  return { dtype, shape: [columns, rows], bytes: out };
}
