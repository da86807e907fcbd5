import { byteLength, type Packing, type Shape, sizeOf, type TensorSpec } from "@lowrank/core";
import type { PlannableModel } from "./plannableModel.ts";

/** How floating-point numbers are stored. */
export type FloatDType = "f32" | "f16" | "bf16";

/** 4-bit storage of weights, as bitsandbytes has it. */
export interface Quantization {
  quantType: "nf4" | "fp4";
  /** Elements that share a scale. Default 64. */
  blockSize?: number;
  /** Quantise the scales too, as QLoRA does. Default false. */
  doubleQuant?: boolean;
}

/** A number of parameters, and the bytes they take. */
export interface Part {
  readonly parameters: number;
  readonly bytes: number;
}

/** How a base model's parameters are stored. */
export interface Storage {
  readonly quantized: Part;
  readonly rest: Part;
  /** What a parameter is while a step is run on shapes. */
  spec(name: string, shape: Shape): TensorSpec;
}

/** Stores a model in `dtype`, but for the weights of linear layers other than the head where `quantization` is given. */
export function storageOf(model: PlannableModel, dtype: FloatDType, quantization: Quantization | null): Storage {
  const packed = new Set(quantization ? quantizedNames(model) : []);
  const { quantType = "nf4", blockSize = 64, doubleQuant = false } = quantization ?? {};
  const packing: Packing = { blockSize, nested: doubleQuant };
  const isPacked = ({ name }: { name: string }) => packed.has(name);
  const quantized = model.parameters.filter(isPacked).map(({ shape }) => ({ shape, dtype: quantType, packing }));
  const rest = model.parameters.filter((parameter) => !isPacked(parameter)).map(({ shape }) => ({ shape, dtype }));
  return {
    quantized: partOf(quantized),
    rest: partOf(rest),
    // Packed weights are read block by block, so that a step holds what it holds over f32 weights.
    spec: (name, shape) => ({ shape, dtype: packed.has(name) ? "f32" : dtype }),
  };
}

function partOf(specs: readonly TensorSpec[]): Part {
  return {
    parameters: specs.reduce((sum, { shape }) => sum + sizeOf(shape), 0),
    bytes: specs.reduce((sum, spec) => sum + byteLength(spec), 0),
  };
}

function quantizedNames({ layers, head }: PlannableModel): string[] {
  const linear = layers.filter(({ kind, path }) => (kind === "linear" || kind === "conv1d") && path !== head);
  return linear.map(({ path }) => `${path}.weight`);
}
