import { isPacked, type Tensor, to } from "@lowrank/core";
import { Parameter, type UnaryModule } from "@lowrank/nn";
import type { DenseLayer, LayerAdapter } from "../layers/tunerLayer.ts";
import { definePeftMethod, type LayerContext, type PeftMethod } from "../method.ts";
import { normTargets } from "../targets/defaultTargets.ts";
import { LNTuningConfig, lnTuningFormat } from "./lnTuningConfig.ts";

const names = ["weight", "bias"] as const;

type Values = UnaryModule & Partial<Record<(typeof names)[number], Parameter | null>>;

/** A copy of a layer's weight and bias that acts in their place. */
class LayerCopy implements LayerAdapter {
  readonly parameters: Record<string, Parameter> = {};

  constructor({ base, path }: LayerContext<LNTuningConfig>) {
    for (const name of names) {
      const value = (base as Values)[name];
      if (!value) continue;
      if (isPacked(value.dtype)) {
        throw new Error(
          `${path} is ${value.dtype}: LN tuning trains weights as they are, which packed ones cannot; leave it out`,
        );
      }
      using copy = to(value.detach(), { dtype: "f32" });
      this.parameters[`ln_tuning_layers.${name}`] = new Parameter(copy);
    }
  }

  #own(name: string): Parameter | null {
    return this.parameters[`ln_tuning_layers.${name}`] ?? null;
  }

  forward(x: Tensor, base: UnaryModule): Tensor {
    const layer = base as Values;
    const originals = names.map((name) => [name, layer[name]] as const).filter(([, value]) => value);
    for (const [name] of originals) layer[name] = this.#own(name);
    try {
      return base.forward(x);
    } finally {
      for (const [name, value] of originals) layer[name] = value;
    }
  }

  merge({ weight, bias, fanInFanOut }: DenseLayer): DenseLayer {
    return { weight: this.#own("weight") ?? weight, bias: this.#own("bias") ?? bias, fanInFanOut };
  }
}

/** LN tuning: the norms' own weights and biases, trained whole. Zhao et al. 2023, https://arxiv.org/abs/2312.11420 */
export const lnTuning: PeftMethod<LNTuningConfig> = definePeftMethod({
  peftType: "LN_TUNING",
  Config: LNTuningConfig,
  format: lnTuningFormat,
  kinds: ["norm", "linear", "conv1d", "embedding"],
  defaultTargets: normTargets,
  mergesAlone: true,
  createLayer: (context) => new LayerCopy(context),
});
