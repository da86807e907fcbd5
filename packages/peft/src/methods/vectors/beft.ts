import { add, expand, scope, type Tensor } from "@lowrank/core";
import type { Linear, Parameter, UnaryModule } from "@lowrank/nn";
import type { DenseLayer, LayerAdapter } from "../../layers/tunerLayer.ts";
import { names } from "../../targets/pattern.ts";
import { initWeightsOption, modulesToSaveOption, targetsOption } from "../shared/commonOptions.ts";
import { drawn, draws } from "../shared/draws.ts";
import { definePeftMethod, type LayerContext, type PeftMethod } from "../shared/method.ts";
import { BeftConfig, beftFormat } from "./beftConfig.ts";

/** The modules to which BEFT adds biases by default, by `model_type`. */
const beftTargets: Readonly<Record<string, readonly string[]>> = {
  ...Object.fromEntries(["t5", "mt5"].map((type) => [type, names("v")])),
  ...Object.fromEntries(["bert", "roberta"].map((type) => [type, names("value")])),
  "deberta-v2": names("value_proj"),
  ...Object.fromEntries(
    names("opt gptj gpt_neo bart llama llama4 mistral mixtral phi gemma gemma2 gemma3_text qwen2 qwen3").map((type) => [
      type,
      names("v_proj"),
    ]),
  ),
};

/** BEFT on a linear layer: a trained bias [1, out] that is added to its output. */
class BeftLinear implements LayerAdapter {
  readonly parameters: { readonly beft_bias: Parameter };
  readonly merge?: (base: DenseLayer) => DenseLayer;
  readonly unmergeable?: string;

  constructor(context: LayerContext<BeftConfig>) {
    const { outFeatures, bias } = context.base as Linear;
    const { zero, normal } = draws(context);
    this.parameters = { beft_bias: drawn(context.config.initWeights ? zero : normal(1), [1, outFeatures]) };
    if (bias) {
      this.merge = (base) => ({ ...base, bias: add(base.bias!, this.#vector()) });
      return;
    }
    this.unmergeable = "it adds to a layer's bias, and this layer has none";
    const message = `${context.path} has no bias, so that the adapter cannot be merged into the weights`;
    context.warn({ code: "unmergeable", message });
  }

  #vector(): Tensor {
    return this.parameters.beft_bias.reshape([-1]);
  }

  forward(x: Tensor, base: UnaryModule): Tensor {
    return scope(() => add(base.forward(x), this.#vector()));
  }

  added(x: Tensor): Tensor {
    const vector = this.#vector();
    return expand(vector, [...x.shape.slice(0, -1), vector.size]);
  }
}

/** BEFT: adds trained biases to value projections. Huang et al. 2025, https://arxiv.org/abs/2509.15974 */
export const beft: PeftMethod<BeftConfig> = definePeftMethod({
  peftType: "BEFT",
  sizes: [],
  Config: BeftConfig,
  format: beftFormat,
  recipes: [{ name: "beft", title: "BEFT", learningRate: 1e-2, config: () => new BeftConfig() }],
  options: [targetsOption, modulesToSaveOption, initWeightsOption()],
  kinds: ["linear"],
  defaultTargets: beftTargets,
  swappable: { fields: ["initWeights"] },
  createLayer: (context) => new BeftLinear(context),
});
