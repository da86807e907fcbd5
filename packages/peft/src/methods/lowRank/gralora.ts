import { add, affine, matmul, OptionError, scope, type Tensor } from "@lowrank/core";
import type { Dropout, Linear, Module, Parameter, UnaryModule } from "@lowrank/nn";
import { biasMode } from "../../config/layerPeftConfig.ts";
import type { DenseLayer, LayerAdapter } from "../../layers/tunerLayer.ts";
import { attentionTargets } from "../../targets/attentionTargets.ts";
import { identity } from "../orthogonal/rotation.ts";
import {
  alphaOption,
  biasOption,
  dropoutOption,
  initWeightsOption,
  modulesToSaveOption,
  rankOption,
  targetsOption,
} from "../shared/commonOptions.ts";
import { drawn, draws, layerDropout } from "../shared/draws.ts";
import { mapWeight } from "../shared/mergedWeight.ts";
import { definePeftMethod, type LayerContext, type PeftMethod } from "../shared/method.ts";
import { GraloraConfig, graloraFormat } from "./graloraConfig.ts";

/**
 * GraLoRA on a linear layer. The weight is split into k x k blocks, and each block has its own LoRA of rank r / k. A is
 * [k, in / k, r]: one factor for each block of inputs. The r outputs of a factor are split into k groups, and group j
 * contributes to block j of the layer's outputs. B is [k, r, out / k]. If `hybridR` is above 0, an ordinary LoRA for
 * the whole weight is added.
 */
class GraloraLinear implements LayerAdapter {
  readonly parameters: Record<string, Parameter>;
  readonly modules: Record<string, Module>;
  readonly #dropout: Dropout;
  readonly #scaling: number;
  readonly #inFeatures: number;

  constructor(context: LayerContext<GraloraConfig>) {
    const { config, path } = context;
    const { r, hybridR, graloraK: k } = config;
    const { inFeatures, outFeatures } = context.base as Linear;
    if (inFeatures % k !== 0 || outFeatures % k !== 0) {
      const shape = `[${outFeatures},${inFeatures}]`;
      throw new OptionError("", "graloraK", k, (named) => {
        return `${path} is ${shape}: ${named("graloraK")} ${k} must divide both sizes; choose another value, or leave the layer out`;
      });
    }
    const { zero, uniform } = draws(context);
    const b = (rank: number) => (config.initWeights ? zero : uniform(1 / Math.sqrt(rank)));
    this.parameters = {
      gralora_A: drawn(uniform(1 / Math.sqrt(inFeatures / k)), [k, inFeatures / k, r]),
      gralora_B: drawn(b(r), [k, r, outFeatures / k]),
      ...(hybridR > 0
        ? {
            "gralora_A_general.weight": drawn(uniform(1 / Math.sqrt(inFeatures)), [hybridR, inFeatures]),
            "gralora_B_general.weight": drawn(b(hybridR), [outFeatures, hybridR]),
          }
        : {}),
    };
    this.#dropout = layerDropout(context, config.graloraDropout);
    this.modules = config.graloraDropout > 0 ? { gralora_dropout: this.#dropout } : {};
    this.#scaling = config.alpha / (r + hybridR);
    this.#inFeatures = inFeatures;
  }

  /** Returns the update of x [rows, in] that is added to the base layer's output, [rows, out]. */
  #product(x: Tensor): Tensor {
    const { gralora_A: a, gralora_B: b } = this.parameters;
    const { "gralora_A_general.weight": wideA, "gralora_B_general.weight": wideB } = this.parameters;
    const [k, size, r] = a.shape;
    const byInput = matmul(x.reshape([-1, k, size]).permute([1, 0, 2]), a);
    const byOutput = byInput
      .reshape([k, -1, k, r / k])
      .permute([2, 1, 0, 3])
      .reshape([k, -1, r]);
    const y = matmul(byOutput, b).permute([1, 0, 2]).reshape([x.shape[0], -1]);
    const whole = wideA && matmul(matmul(x, wideA, { transposeB: true }), wideB, { transposeB: true });
    return affine(whole ? add(y, whole) : y, { scale: this.#scaling });
  }

  forward(x: Tensor, base: UnaryModule): Tensor {
    return scope(() => add(base.forward(x), this.added(x)));
  }

  added(x: Tensor): Tensor {
    const rows = this.#dropout.forward(x).reshape([-1, this.#inFeatures]);
    return this.#product(rows).reshape([...x.shape.slice(0, -1), -1]);
  }

  merge(base: DenseLayer): DenseLayer {
    const delta = this.#product(identity(this.#inFeatures, base.weight)).transpose(0, 1);
    return mapWeight(base, (weight) => add(weight, delta));
  }
}

/** GraLoRA: a separate LoRA for each block of a weight. Jung et al. 2025, https://arxiv.org/abs/2505.20355 */
export const gralora: PeftMethod<GraloraConfig> = definePeftMethod({
  peftType: "GRALORA",
  sizes: ["r", "hybridR"],
  Config: GraloraConfig,
  format: graloraFormat,
  recipes: [
    {
      name: "gralora",
      title: "GraLoRA",
      learningRate: 3e-3,
      config: ({ r, targetModules }) => new GraloraConfig({ r, alpha: 2 * r, targetModules }),
    },
  ],
  options: [
    rankOption(),
    alphaOption("alpha"),
    dropoutOption("graloraDropout"),
    targetsOption,
    modulesToSaveOption,
    biasOption,
    {
      field: "graloraK",
      flag: "gralora-k",
      type: "integer",
      least: 1,
      help: "parts that inputs and outputs are cut into",
    },
    {
      field: "hybridR",
      flag: "hybrid-r",
      type: "integer",
      least: 0,
      help: "rank of an additional LoRA over the whole weight",
    },
    initWeightsOption(),
  ],
  kinds: ["linear", "conv1d"],
  defaultTargets: attentionTargets,
  bias: ({ bias }) => biasMode(bias),
  setsFanInFanOut: true,
  swappable: { fields: ["initWeights"] },
  createLayer: (context) => new GraloraLinear(context),
});
