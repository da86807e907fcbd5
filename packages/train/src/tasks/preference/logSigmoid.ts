import { neg, softplus, type Tensor } from "@lowrank/core";

/** log(1 / (1 + e^-x)), without overflow. */
export function logSigmoid(x: Tensor): Tensor {
  return neg(softplus(neg(x)));
}
