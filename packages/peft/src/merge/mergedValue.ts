import type { Tensor } from "@lowrank/core";
import { Linear, Parameter } from "@lowrank/nn";
import type { Replacement } from "../layers/mergeStep.ts";
import { Swap } from "../layers/swap.ts";

/** A merged value and the one that it replaces. Layers that round their inputs to bytes, for weights in bytes, do so no more. */
export class MergedValue extends Swap {
  readonly #inBytes: readonly Linear[];

  constructor({ owners, key }: Replacement, value: Tensor) {
    super(
      owners.map((owner) => ({ owner, key })),
      new Parameter(value, { requiresGrad: false }),
    );
    this.#inBytes = owners.filter(
      (owner) => key === "weight" && owner instanceof Linear && owner.activations === "int8",
    ) as Linear[];
  }

  override set(on: boolean): void {
    super.set(on);
    for (const layer of this.#inBytes) layer.activations = on ? "f32" : "int8";
  }
}
