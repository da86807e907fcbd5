import { quantize4bit, scope, type Tensor } from "@lowrank/core";
import { Parameter } from "../../module/parameter.ts";
import { Conv1D } from "./conv1d.ts";
import type { Linear } from "./linear.ts";
import { Linear4bit, type Linear4bitOptions } from "./linear4bit.ts";

/**
 * Returns a Linear4bit whose weight is this layer's, quantised to 4 bits; the bias is shared. Throws unless the weight
 * is f32, f16 or bf16.
 */
export function quantizeLinear(layer: Linear | Conv1D, options: Linear4bitOptions = {}): Linear4bit {
  const { weight, bias } = layer;
  using packed = packWeight(weight, options, layer instanceof Conv1D);
  const quantized = new Linear4bit(new Parameter(packed, { requiresGrad: false }), bias);
  quantized.weight.precision = weight.precision;
  quantized.training = layer.training;
  return quantized;
}

/** Quantises a weight [out, in], or [in, out] if `transposed`, to 4 bits [out, in]. The caller must free the result. */
export function packWeight(weight: Tensor, options: Linear4bitOptions, transposed: boolean): Tensor {
  return scope(() => {
    const source = weight.detach();
    return quantize4bit(transposed ? source.transpose(0, 1) : source, options);
  });
}
