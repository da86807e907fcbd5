import { LayerNorm } from "@lowrank/nn";
import type { ParameterPath } from "./parameters.ts";

/** Makes layer normalisation over `dim` numbers; RMSNorm's models do without its code. */
export function layerNorm(path: ParameterPath, name: string, dim: number, eps: number): LayerNorm {
  const at = path.at(name);
  return new LayerNorm(at.parameter("weight", [dim], { value: 1 }), at.parameter("bias", [dim], { value: 0 }), eps);
}
