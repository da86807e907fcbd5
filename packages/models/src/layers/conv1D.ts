import { isPacked } from "@lowrank/core";
import { Conv1D, type Linear } from "@lowrank/nn";
import { linearLayer } from "@lowrank/nn/internal";
import type { ParameterPath } from "../model/parameters.ts";

/** Makes the linear layer of GPT-2. Its weight is stored as [in, out], or as [out, in] if it is packed. */
export function conv1D(path: ParameterPath, name: string, inFeatures: number, outFeatures: number): Conv1D | Linear {
  const at = path.at(name);
  const weight = at.parameter("weight", [inFeatures, outFeatures]);
  const bias = at.parameter("bias", [outFeatures], { value: 0 });
  return isPacked(weight.dtype) ? linearLayer(weight, bias) : new Conv1D(weight, bias);
}
