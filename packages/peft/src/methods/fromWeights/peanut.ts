import {
  add,
  affine,
  clamp,
  erf,
  gelu,
  geluTanh,
  matmul,
  maximum,
  mul,
  relu,
  scope,
  sigmoid,
  silu,
  softplus,
  sqrt,
  square,
  type Tensor,
  tanh,
} from "@lowrank/core";
import type { Linear, Parameter, UnaryModule } from "@lowrank/nn";
import { type DenseLayer, type LayerAdapter, toF32 } from "../../layers/tunerLayer.ts";
import { attentionTargets } from "../../targets/attentionTargets.ts";
import { initWeightsOption, modulesToSaveOption, rankOption, targetsOption } from "../shared/commonOptions.ts";
import { drawn, draws } from "../shared/draws.ts";
import { addProduct } from "../shared/mergedWeight.ts";
import { definePeftMethod, type LayerContext, type PeftMethod } from "../shared/method.ts";
import { type PeanutActivation, PeanutConfig, peanutActivations, peanutFormat } from "./peanutConfig.ts";

const activations: Readonly<Record<PeanutActivation, (x: Tensor) => Tensor>> = {
  relu,
  gelu,
  gelu_python: gelu,
  gelu_10: (x) => clamp(gelu(x), { min: -10, max: 10 }),
  gelu_fast: geluTanh,
  gelu_new: geluTanh,
  gelu_pytorch_tanh: geluTanh,
  gelu_python_tanh: geluTanh,
  gelu_accurate: geluTanh,
  hardswish: (x) => affine(mul(x, clamp(add(x, 3), { min: 0, max: 6 })), { scale: 1 / 6 }),
  // The normal distribution function with the mean and the standard deviation of transformers.
  laplace: (x) => {
    // biome-ignore lint/suspicious/noApproximativeNumericConstant: transformers rounds it too
    const mean = 0.707107;
    const scale = 1 / (0.282095 * Math.SQRT2);
    return affine(erf(affine(x, { scale, shift: -mean * scale })), { scale: 0.5, shift: 0.5 });
  },
  leaky_relu: (x) => maximum(x, affine(x, { scale: 0.01 })),
  linear: (x) => x,
  mish: (x) => mul(x, tanh(softplus(x))),
  quick_gelu: (x) => mul(x, sigmoid(affine(x, { scale: 1.702 }))),
  relu2: (x) => square(relu(x)),
  relu6: (x) => clamp(x, { min: 0, max: 6 }),
  sigmoid,
  silu,
  sqrtsoftplus: (x) => sqrt(softplus(x)),
  swish: silu,
  tanh,
};

/**
 * PEANuT on a linear layer. A network computes H [r, in] from the columns of the weight, and the update is the product
 * scaling · B H, with B [out, r]. The network has a layer A [r, out], `depth` encoders and `depth` decoders [r, r]. The
 * output of each decoder is added to the input of its encoder.
 */
class PeanutLinear implements LayerAdapter {
  readonly parameters: Readonly<Record<string, Parameter>>;
  readonly #scaling: number;
  readonly #depth: number;
  readonly #activation: (x: Tensor) => Tensor;

  constructor(context: LayerContext<PeanutConfig>) {
    const { r, depth, actFn, scaling, initWeights } = context.config;
    const { outFeatures } = context.base as Linear;
    const { zero, uniform } = draws(context);
    const inner = uniform(1 / Math.sqrt(r));
    const levels = Array.from({ length: depth }, (_, i) => i);
    this.parameters = {
      "peanut_A.weight": drawn(uniform(1 / Math.sqrt(outFeatures)), [r, outFeatures]),
      "peanut_B.weight": drawn(initWeights ? zero : inner, [outFeatures, r]),
      ...Object.fromEntries(levels.map((i) => [`peanut_encoders.${i}.weight`, drawn(inner, [r, r])])),
      ...Object.fromEntries(levels.map((i) => [`peanut_decoders.${i}.weight`, drawn(inner, [r, r])])),
    };
    this.#scaling = scaling;
    this.#depth = depth;
    this.#activation = activations[actFn];
  }

  /** Returns H [r, in] and scaling · B [out, r]. */
  #factors(weight: Tensor, fanInFanOut: boolean): [h: Tensor, b: Tensor] {
    const parameters = this.parameters;
    const layer = (name: string, x: Tensor) => this.#activation(matmul(parameters[`peanut_${name}.weight`], x));
    let h = this.#activation(matmul(parameters["peanut_A.weight"], weight, { transposeB: fanInFanOut }));
    const inputs: Tensor[] = [];
    for (let i = 0; i < this.#depth; i++) {
      inputs.push(h);
      h = layer(`encoders.${i}`, h);
    }
    for (let i = 0; i < this.#depth; i++) h = add(layer(`decoders.${i}`, h), inputs[this.#depth - 1 - i]);
    const b = parameters["peanut_B.weight"];
    return [h, this.#scaling === 1 ? b : affine(b, { scale: this.#scaling })];
  }

  forward(x: Tensor, base: UnaryModule): Tensor {
    return scope(() => {
      const [h, b] = this.#factors(toF32((base as Linear).weight), false);
      return add(base.forward(x), matmul(matmul(x, h, { transposeB: true }), b, { transposeB: true }));
    });
  }

  merge(base: DenseLayer, bare: DenseLayer): DenseLayer {
    return addProduct(base, ...this.#factors(bare.weight, bare.fanInFanOut));
  }
}

/** PEANuT: computes the weight's update from the weight with a small network. 2024, https://arxiv.org/abs/2410.01870 */
export const peanut: PeftMethod<PeanutConfig> = definePeftMethod({
  peftType: "PEANUT",
  Config: PeanutConfig,
  format: peanutFormat,
  sizes: ["r", "depth"],
  recipes: [
    {
      name: "peanut",
      title: "PEANuT",
      learningRate: 3e-3,
      config: ({ r, targetModules }) => new PeanutConfig({ r, targetModules }),
    },
  ],
  options: [
    rankOption(),
    targetsOption,
    modulesToSaveOption,
    { field: "depth", flag: "depth", type: "integer", least: 0, help: "encoders, and decoders, of the network" },
    { field: "actFn", flag: "act-fn", type: "oneOf", values: peanutActivations, help: "activation of the network" },
    { field: "scaling", flag: "scaling", type: "number", help: "factor of the update" },
    initWeightsOption(),
  ],
  kinds: ["linear"],
  defaultTargets: attentionTargets,
  swappable: { fields: ["initWeights"] },
  createLayer: (context) => new PeanutLinear(context),
});
