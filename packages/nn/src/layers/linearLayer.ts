import { canQuantizeAs } from "@lowrank/core/internal";
import type { Parameter } from "../module/parameter.ts";
import { Linear } from "./linear.ts";
import { Linear4bit } from "./linear4bit.ts";

/** Returns the linear layer of a weight [out, in]: a Linear4bit for nf4 and fp4, else a Linear. */
export function linearLayer(weight: Parameter, bias: Parameter | null = null): Linear {
  return canQuantizeAs(weight.dtype) ? new Linear4bit(weight, bias) : new Linear(weight, bias);
}
