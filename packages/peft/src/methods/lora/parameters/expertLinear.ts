import { add, scope, type Tensor } from "@lowrank/core";
import type { Parameter, UnaryModule } from "@lowrank/nn";
import type { DenseLayer, LayerAdapter } from "../../../layers/tunerLayer.ts";
import type { ExpertFactors, Rows } from "./expertFactors.ts";

/** LoRA on a linear layer that contains rows of a stacked parameter. The layers of a parameter share its factors. */
export class ExpertLinear implements LayerAdapter {
  readonly parameters: Readonly<Record<string, Parameter>>;
  scaling: number;
  readonly #factors: ExpertFactors;
  readonly #rows: Rows;

  /** `owns` is true on the layer that has the factors. */
  constructor(factors: ExpertFactors, rows: Rows, owns: boolean) {
    this.parameters = owns ? factors.parameters : {};
    this.scaling = factors.scaling;
    this.#factors = factors;
    this.#rows = rows;
  }

  forward(x: Tensor, base: UnaryModule): Tensor {
    return scope(() => add(base.forward(x), this.added(x)));
  }

  added(x: Tensor): Tensor {
    return this.#factors.added(x, this.#rows, this.scaling);
  }

  merge({ weight, ...rest }: DenseLayer): DenseLayer {
    return { weight: add(weight, this.#factors.change(this.#rows, this.scaling)), ...rest };
  }
}
