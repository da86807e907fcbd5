import type { PeanutActivation, PeanutOptions } from "@lowrank/peft";
import { drawTargets } from "../layerOptions.ts";
import { defineCases, type MethodCases } from "../methodCases.ts";

const activations: readonly PeanutActivation[] = [
  "relu",
  "gelu",
  "gelu_10",
  "gelu_fast",
  "gelu_new",
  "gelu_python",
  "gelu_pytorch_tanh",
  "gelu_python_tanh",
  "gelu_accurate",
  "hardswish",
  "laplace",
  "leaky_relu",
  "linear",
  "mish",
  "quick_gelu",
  "relu2",
  "relu6",
  "sigmoid",
  "silu",
  "sqrtsoftplus",
  "swish",
  "tanh",
];

/** PEANuT with networks of all depths up to 3, and all activation functions. */
export const peanut: MethodCases<PeanutOptions> = defineCases({
  draw(draw, base) {
    if (base.conv1d) return null;
    return {
      r: draw.integer(1, 8),
      ...drawTargets(draw, base).options,
      ...draw.maybe(0.6, () => ({ depth: draw.integer(0, 3) })),
      ...draw.maybe(0.7, () => ({ actFn: draw.pick(activations) })),
      ...draw.maybe(0.5, () => ({ scaling: draw.pick([0.5, 2]) })),
      ...draw.maybe(0.3, () => ({ initWeights: false })),
    };
  },
});
