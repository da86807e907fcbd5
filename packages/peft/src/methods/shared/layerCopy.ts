import { isPacked, type Tensor, to } from "@lowrank/core";
import { Parameter, type UnaryModule } from "@lowrank/nn";
import type { PeftConfig } from "../../config/peftConfig.ts";
import type { DenseLayer, LayerAdapter } from "../../layers/tunerLayer.ts";
import type { LayerContext } from "./method.ts";

type Name = "weight" | "bias";

type Layer = UnaryModule & Partial<Record<Name, Parameter | null>>;

/** Trainable copies of a layer's weight, its bias or both. `forward` uses them instead of the originals. */
export class LayerCopy implements LayerAdapter {
  readonly parameters: Record<string, Parameter> = {};
  readonly #own = new Map<Name, Parameter>();

  /**
   * Copies the layer's weight, bias or both, as listed in `names`, in f32. A copy's key in the adapter file is `prefix`
   * followed by its name. Throws for packed (quantised) weights.
   */
  constructor({ base, path }: LayerContext<PeftConfig>, names: readonly Name[], prefix: string) {
    for (const name of names) {
      const value = (base as Layer)[name];
      if (!value) continue;
      if (isPacked(value.dtype)) {
        throw new Error(`"${path}" is ${value.dtype}: a packed weight cannot be trained as it is; leave the layer out`);
      }
      using copy = to(value.detach(), { dtype: "f32" });
      const parameter = new Parameter(copy);
      this.#own.set(name, parameter);
      this.parameters[`${prefix}${name}`] = parameter;
    }
  }

  forward(x: Tensor, base: UnaryModule): Tensor {
    const layer = base as Layer;
    const originals = [...this.#own.keys()].map((name) => [name, layer[name]] as const);
    for (const [name, parameter] of this.#own) layer[name] = parameter;
    try {
      return base.forward(x);
    } finally {
      for (const [name, value] of originals) layer[name] = value;
    }
  }

  merge({ weight, bias, fanInFanOut }: DenseLayer): DenseLayer {
    return { weight: this.#own.get("weight") ?? weight, bias: this.#own.get("bias") ?? bias, fanInFanOut };
  }
}
