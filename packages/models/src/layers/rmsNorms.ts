import { RMSNorm } from "@lowrank/nn";
import type { ParameterPath } from "../model/parameters.ts";

/** Returns a function that makes an RMSNorm over `size` elements, with its weight at a parameter path. */
export function rmsNorms(eps: number): (path: ParameterPath, size: number) => RMSNorm {
  return (path, size) => new RMSNorm(path.parameter("weight", [size], { value: 1 }), eps);
}
