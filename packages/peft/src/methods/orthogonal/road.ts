import {
  add,
  affine,
  cat,
  cos,
  mul,
  neg,
  OptionError,
  repeatInterleave,
  scope,
  sin,
  split,
  type Tensor,
} from "@lowrank/core";
import type { Linear, Parameter, UnaryModule } from "@lowrank/nn";
import type { DenseLayer, LayerAdapter } from "../../layers/tunerLayer.ts";
import { attentionTargets } from "../../targets/attentionTargets.ts";
import { initWeightsOption, modulesToSaveOption, targetsOption } from "../shared/commonOptions.ts";
import { type Draw, drawn, draws } from "../shared/draws.ts";
import { mapWeight } from "../shared/mergedWeight.ts";
import { definePeftMethod, type LayerContext, type PeftMethod } from "../shared/method.ts";
import { RoadConfig, type RoadVariant, roadFormat } from "./roadConfig.ts";

/** The number of trained angles, and of trained factors, for each output. */
const anglesPerOutput: Readonly<Record<RoadVariant, number>> = { road_1: 0.5, road_2: 1, road_4: 2 };

/**
 * RoAd on a linear layer: rotates and scales pairs of its outputs. Outputs y and z of a pair become
 * a cos(t) y - b sin(u) z and c cos(v) z + d sin(w) y, with trained angles t, u, v, w and factors a, b, c, d. The
 * variants "road_1" and "road_2" share some of these.
 */
class RoadLinear implements LayerAdapter {
  readonly parameters: { readonly road_theta: Parameter; readonly road_alpha: Parameter };
  readonly #variant: RoadVariant;
  readonly #groupSize: number;

  constructor(context: LayerContext<RoadConfig>) {
    const { config, path } = context;
    const { variant, groupSize, initWeights } = config;
    const { inFeatures, outFeatures } = context.base as Linear;
    if (outFeatures % groupSize !== 0) {
      throw new OptionError("", "groupSize", groupSize, (named) => {
        const option = `${named("groupSize")} ${groupSize}`;
        return `${path} is [${outFeatures},${inFeatures}]: ${option} must divide its ${outFeatures} outputs; choose another value, or leave the layer out`;
      });
    }
    const { zero, one, normal } = draws(context);
    const nearOne: Draw = (shape) => affine(normal(0.5)(shape), { shift: 1 });
    const shape = [anglesPerOutput[variant] * outFeatures];
    this.parameters = {
      road_theta: drawn(initWeights ? zero : normal(0.5), shape),
      road_alpha: drawn(initWeights ? one : nearOne, shape),
    };
    this.#variant = variant;
    this.#groupSize = groupSize;
  }

  /**
   * Returns two factors for each output, both [out]: the factor of the output itself, and the factor of the other
   * output of its pair.
   */
  #factors(): [own: Tensor, other: Tensor] {
    const { road_theta: theta, road_alpha: alpha } = this.parameters;
    const size = this.#groupSize;
    switch (this.#variant) {
      case "road_1": {
        const both = (t: Tensor) => repeatInterleave(t.reshape([-1, size / 2]), 2, { dim: 0 }).reshape([-1]);
        return [both(mul(alpha, cos(theta))), both(mul(alpha, sin(theta)))];
      }
      case "road_2":
        return [mul(alpha, cos(theta)), mul(alpha, sin(theta))];
      case "road_4": {
        // Each group has its values for the outputs themselves first, then those for the others of their pairs.
        const parts = (t: Tensor) => split(t.reshape([-1, 2, size]), 1, { dim: 1 }).map((part) => part.reshape([-1]));
        const [ownTheta, otherTheta] = parts(theta);
        const [ownAlpha, otherAlpha] = parts(alpha);
        return [mul(ownAlpha, cos(ownTheta)), mul(otherAlpha, sin(otherTheta))];
      }
    }
  }

  /** Rotates the pairs of y [..., out]. */
  #rotated(y: Tensor): Tensor {
    const [own, other] = this.#factors();
    const [first, second] = split(y.reshape([-1, 2, this.#groupSize / 2]), 1, { dim: 1 });
    const others = cat([neg(second), first], { dim: 1 }).reshape(y.shape);
    return add(mul(y, own), mul(others, other));
  }

  forward(x: Tensor, base: UnaryModule): Tensor {
    return scope(() => this.#rotated(base.forward(x)));
  }

  merge(base: DenseLayer): DenseLayer {
    const merged = mapWeight(base, (weight) => this.#rotated(weight.transpose(0, 1)).transpose(0, 1));
    return { ...merged, bias: base.bias && this.#rotated(base.bias) };
  }
}

/** RoAd: rotates and scales pairs of outputs. Liao and Monz 2024, https://arxiv.org/abs/2409.00119 */
export const road: PeftMethod<RoadConfig> = definePeftMethod({
  peftType: "ROAD",
  sizes: [],
  Config: RoadConfig,
  format: roadFormat,
  recipes: [
    {
      name: "road",
      title: "RoAd",
      learningRate: 1e-2,
      usualLearningRate: 1e-3,
      // PEFT's default, 64, does not divide the sizes of small models. A pair needs no particular distance.
      config: ({ targetModules }) => new RoadConfig({ targetModules, groupSize: 8 }),
    },
  ],
  options: [
    targetsOption,
    modulesToSaveOption,
    {
      field: "variant",
      flag: "variant",
      type: "oneOf",
      values: ["road_1", "road_2", "road_4"],
      help: "how many angles and factors train: half of the outputs, one or two for each",
    },
    {
      field: "groupSize",
      flag: "road-group-size",
      type: "integer",
      least: 2,
      help: "outputs among which pairs are formed, an even number",
    },
    initWeightsOption(),
  ],
  kinds: ["linear"],
  defaultTargets: attentionTargets,
  swappable: { fields: ["initWeights"] },
  createLayer: (context) => new RoadLinear(context),
});
