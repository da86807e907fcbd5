import { add, linear, matmul, mul, scope, type Tensor } from "@lowrank/core";
import type { Linear, Parameter, UnaryModule } from "@lowrank/nn";
import { biasMode } from "../../config/layerPeftConfig.ts";
import { type DenseLayer, type LayerAdapter, toF32 } from "../../layers/tunerLayer.ts";
import { attentionTargets } from "../../targets/attentionTargets.ts";
import {
  biasOption,
  initWeightsOption,
  modulesToSaveOption,
  rankOption,
  targetsOption,
} from "../shared/commonOptions.ts";
import { type Draws, drawn, draws } from "../shared/draws.ts";
import { definePeftMethod, type LayerContext, type PeftMethod } from "../shared/method.ts";
import type { FloatDType } from "../shared/methodFacts.ts";
import { GloraConfig, type GloraPath, gloraFormat } from "./gloraConfig.ts";

/** The tensors of one path in the file, by their last name, and the function that returns its value. */
interface Path {
  parameters: Record<string, Parameter>;
  buffers: Record<string, Tensor>;
  /** Returns the path's value, which broadcasts to the path's shape. Null if the path is left out. */
  value(): Tensor | null;
  /** Reads from `buffers` whether a path that is left out has other values than zeros. */
  valuesRead?(): Promise<void>;
}

/** Creates a path whose value has this shape, or broadcasts to it. */
function createPath(
  form: GloraPath,
  shape: readonly number[],
  { config, start, dtype }: { config: GloraConfig; start: Draws; dtype: FloatDType },
): Path {
  const { zero, uniform, normal } = start;
  const { initWeights, r } = config;
  const none = { parameters: {}, buffers: {} };
  if (form === "none") return absentPath(zero(shape, dtype));
  if (form === "lora") {
    const [rows, columns] = shape;
    const Xd = drawn(initWeights ? zero : uniform(1 / Math.sqrt(r)), [rows, r]);
    const Xu = drawn(uniform(1 / Math.sqrt(columns)), [r, columns]);
    return { ...none, parameters: { Xd, Xu }, value: () => matmul(Xd, Xu) };
  }
  if (form === "constant") {
    const X = drawn(initWeights ? zero : normal(0.02), [1]);
    return { ...none, parameters: { X }, value: () => X };
  }
  // A column [n, 1] for a matrix, whose bound in PEFT is 1, or a vector [n].
  const own = shape.length === 2 ? [shape[0], 1] : shape;
  const X = drawn(initWeights ? zero : uniform(1 / Math.sqrt(own.length === 2 ? 1 : own[0])), own);
  return { ...none, parameters: { X }, value: () => X };
}

/**
 * Creates a path that is left out. PEFT's files contain its zeros, in the base layer's dtype, and PEFT uses what it
 * reads there.
 */
function absentPath(zeros: Tensor): Path {
  let used = false;
  const valuesRead = async () => {
    used = Array.from(await zeros.data(), Number).some((value) => value !== 0);
  };
  return { parameters: {}, buffers: { zeros }, value: () => (used ? toF32(zeros) : null), valuesRead };
}

/**
 * GLoRA on a linear layer: the weight becomes W + W ⊙ A + B, and the bias b + b ⊙ D + E + W C. A layer without bias has
 * only A and B.
 */
class GloraLinear implements LayerAdapter {
  readonly parameters: Record<string, Parameter> = {};
  readonly buffers: Record<string, Tensor> = {};
  readonly #paths: Readonly<Record<"A" | "B" | "C" | "D" | "E", Path>>;

  constructor(context: LayerContext<GloraConfig>) {
    const { config } = context;
    const { inFeatures, outFeatures, bias, weight } = context.base as Linear;
    const { configAB, configC, configDE } = config;
    const dtype = weight.dtype === "f16" || weight.dtype === "bf16" ? weight.dtype : "f32";
    const shared = { config, start: draws(context), dtype } as const;
    const create = (form: GloraPath, shape: readonly number[]) => createPath(form, shape, shared);
    const ofBias = <F extends GloraPath>(form: F) => (bias ? form : "none");
    const matrix = [outFeatures, inFeatures];
    this.#paths = {
      A: create(configAB, matrix),
      B: create(configAB, matrix),
      C: create(ofBias(configC), [inFeatures, 1]),
      D: create(ofBias(configDE), [outFeatures]),
      E: create(ofBias(configDE), [outFeatures]),
    };
    for (const [name, { parameters, buffers }] of Object.entries(this.#paths)) {
      for (const [key, value] of Object.entries(parameters)) this.parameters[`glora_${name}.${key}`] = value;
      for (const [key, value] of Object.entries(buffers)) this.buffers[`glora_${name}.${key}`] = value;
    }
  }

  async valuesRead(): Promise<void> {
    for (const path of Object.values(this.#paths)) await path.valuesRead?.();
  }

  /** Returns the update of the weight `w` [out, in], or null if there is none. */
  #weightUpdate(w: Tensor): Tensor | null {
    const [a, b] = [this.#paths.A.value(), this.#paths.B.value()];
    const scaled = a && mul(w, a);
    return scaled && b ? add(scaled, b) : (scaled ?? b);
  }

  /** Returns the update of the bias `b` [out] of a layer with the weight `w`, or null if there is none. */
  #biasUpdate(w: Tensor, b: Tensor): Tensor | null {
    const { C, D, E } = this.#paths;
    const [c, d, e] = [C.value(), D.value(), E.value()];
    const coupled = c && matmul(w, c).reshape([-1]);
    const parts = [d && mul(b, d), e, coupled].filter((part) => part !== null);
    return parts.length > 0 ? parts.reduce((sum, part) => add(sum, part)) : null;
  }

  forward(x: Tensor, base: UnaryModule): Tensor {
    return scope(() => {
      const layer = base as Linear;
      const [weight, bias] = [toF32(layer.weight), layer.bias ? toF32(layer.bias) : null];
      const [ofWeight, ofBias] = [this.#weightUpdate(weight), bias && this.#biasUpdate(weight, bias)];
      return linear(x, ofWeight ? add(weight, ofWeight) : weight, bias && ofBias ? add(bias, ofBias) : bias);
    });
  }

  merge({ weight, bias, fanInFanOut }: DenseLayer, bare: DenseLayer): DenseLayer {
    const ofWeight = this.#weightUpdate(bare.weight);
    const ofBias = bare.bias && this.#biasUpdate(bare.weight, bare.bias);
    return {
      weight: ofWeight ? add(weight, ofWeight) : weight,
      bias: bias && ofBias ? add(bias, ofBias) : bias,
      fanInFanOut,
    };
  }
}

/** GLoRA: scales and shifts weights and biases. Chavan et al. 2023, https://arxiv.org/abs/2306.07967 */
export const glora: PeftMethod<GloraConfig> = definePeftMethod({
  peftType: "GLORA",
  Config: GloraConfig,
  format: gloraFormat,
  recipes: [
    {
      name: "glora",
      title: "GLoRA",
      learningRate: 3e-3,
      // The rate of PEFT's comparison of methods.
      usualLearningRate: 1e-4,
      config: ({ r, targetModules }) => new GloraConfig({ r, targetModules }),
    },
  ],
  options: [
    rankOption(),
    targetsOption,
    modulesToSaveOption,
    biasOption,
    {
      field: "configAB",
      flag: "config-a-b",
      type: "oneOf",
      values: ["lora", "vector", "constant", "none"],
      help: "form of the factors and summands of the weight",
    },
    {
      field: "configC",
      flag: "config-c",
      type: "oneOf",
      values: ["lora", "vector", "none"],
      help: "form of what the weight adds to the bias",
    },
    {
      field: "configDE",
      flag: "config-d-e",
      type: "oneOf",
      values: ["vector", "constant", "none"],
      help: "form of the factors and summands of the bias",
    },
    initWeightsOption(),
  ],
  kinds: ["linear"],
  defaultTargets: attentionTargets,
  bias: ({ bias }) => biasMode(bias),
  buffersFollowBaseDtype: true,
  swappable: { fields: ["initWeights"] },
  createLayer: (context) => new GloraLinear(context),
});
