import type { Tensor } from "@lowrank/core";
import { Parameter } from "@lowrank/nn";
import type { Replacement } from "../layers/mergeStep.ts";
import { Swap } from "../layers/swap.ts";

/** A merged value together with the value that it replaces, to switch between the two. */
export class MergedValue extends Swap {
  constructor({ owners, key }: Replacement, value: Tensor) {
    super(
      owners.map((owner) => ({ owner, key })),
      new Parameter(value, { requiresGrad: false }),
    );
    this.on.precision = this.off?.precision;
  }
}
