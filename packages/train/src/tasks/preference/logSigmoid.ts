import { neg, softplus, type Tensor } from "@lowrank/core";

/** Returns log(1 / (1 + e^-x)) elementwise, without overflow. */
export function logSigmoid(x: Tensor): Tensor {
  return neg(softplus(neg(x)));
}
