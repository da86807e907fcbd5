import { add, type Tensor } from "@lowrank/core";
import type { Parameter, UnaryModule } from "@lowrank/nn";
import type { ExpertStack, ExpertUpdates } from "@lowrank/nn/internal";
import { type DenseLayer, type LayerAdapter, TunerLayer, toF32 } from "../../../layers/tunerLayer.ts";
import type { MergeStep, Replacement } from "../../../layers/wrapper.ts";
import type { ExpertFactors } from "./expertFactors.ts";

/** LoRA's factors of a parameter, and what files have before the names of their tensors. */
interface StackFactors {
  readonly name: string;
  readonly prefix: string;
  readonly factors: ExpertFactors;
}

/** One of the stacked parameters of a module, [E, out, in]. */
interface StackedWeight extends DenseLayer {
  readonly parameter: string;
}

/** LoRA on the stacked parameters of a module with routed experts. */
export class StackLora implements LayerAdapter {
  readonly parameters: Readonly<Record<string, Parameter>>;
  readonly paths: Readonly<Record<string, string>>;
  /** The scaling of the first parameter. Setting it changes the scalings of all parameters by the same factor. */
  scaling: number;
  readonly #factors: ReadonlyMap<string, StackFactors & { readonly share: number }>;

  constructor(all: readonly StackFactors[]) {
    const tensors = all.flatMap(({ name, prefix, factors }) =>
      Object.entries(factors.parameters).map(([key, parameter]) => ({ key: prefix + key, name, own: key, parameter })),
    );
    this.parameters = Object.fromEntries(tensors.map(({ key, parameter }) => [key, parameter]));
    // Inner tensors cannot be at PEFT's path, which is inside of the base module.
    const inner = tensors.filter(({ key, own }) => key !== own);
    this.paths = Object.fromEntries(inner.map(({ key, name, own }) => [key, `${name}_${own}`]));
    const unit = all.find(({ factors }) => factors.scaling !== 0)?.factors.scaling ?? 1;
    this.scaling = unit;
    this.#factors = new Map(
      all.map(({ name, prefix, factors }) => [name, { name, prefix, factors, share: factors.scaling / unit }] as const),
    );
  }

  scalingOf(key: string): number {
    const found = [...this.#factors.values()].find(({ prefix }) => key.startsWith(`${prefix}lora_`));
    return found!.share * this.scaling;
  }

  forward(x: Tensor, base: UnaryModule, weights: Tensor): Tensor {
    const updates: ExpertUpdates = Object.fromEntries(
      Array.from(this.#factors, ([name, { factors, share }]) => [
        name,
        (rows: Tensor, expert: number) =>
          factors.added(rows, { expert, start: 0, end: factors.outputs }, share * this.scaling),
      ]),
    );
    return (base as unknown as ExpertStack).forward(x, weights, updates);
  }

  merge({ weight, parameter, ...rest }: StackedWeight): StackedWeight {
    const found = this.#factors.get(parameter);
    const change = found?.factors.changeOfAll(found.share * this.scaling);
    return { weight: change ? add(weight, change) : weight, parameter, ...rest };
  }
}

/** Wraps a module with stacked parameters, and merges adapters into each of these. */
export class StackTuner extends TunerLayer {
  override mergeSteps(adapters: readonly string[], path: string): MergeStep[] {
    const present = adapters.filter((name) => this.has(name));
    if (present.length === 0) return [];
    return [{ path, module: this.base_layer, merged: () => this.#merged(present, path), live: [] }];
  }

  #merged(adapters: readonly string[], path: string): Replacement[] {
    const base = this.base_layer as unknown as ExpertStack & Record<string, Parameter>;
    return base.stackedParameters.flatMap((parameter) => {
      const before = toF32(base[parameter]);
      const value = adapters.reduce((weight, name) => {
        const dense: StackedWeight = { weight, bias: null, fanInFanOut: false, parameter };
        return (this.get(name) as StackLora).merge(dense).weight;
      }, before);
      if (value === before) return [];
      return [{ path: `${path}.${parameter}`, owners: [this.base_layer], key: parameter, value }];
    });
  }
}
