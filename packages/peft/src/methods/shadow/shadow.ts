import { add, affine, cat, gelu, matmul, mul, scope, sigmoid, slice, sub, type Tensor } from "@lowrank/core";
import type { Dropout, Parameter, UnaryModule } from "@lowrank/nn";
import type { LayerAdapter } from "../../layers/tunerLayer.ts";
import { blocksOf } from "../../targets/blocks.ts";
import {
  dropoutOption,
  initWeightsOption,
  modulesToSaveOption,
  rankOption,
  targetsOption,
} from "../shared/commonOptions.ts";
import { drawn, draws, layerDropout } from "../shared/draws.ts";
import { definePeftMethod, type LayerContext, type PeftMethod } from "../shared/method.ts";
import { createShadow, withoutName } from "./createShadow.ts";
import { ShadowConfig, shadowFormat } from "./shadowConfig.ts";

// B batch, T tokens, D hidden size.

/** The keys of the linear layers of the two MLPs that update the shadow's hidden state. */
const [transform, gate] = ["shadow_update_transform.default", "shadow_update_gate.default"];

/**
 * Shadow on one block. Blocks receive the model's and the shadow's hidden states side by side, [B, T, 2 D], and return
 * both. The last one returns the model's alone.
 */
class ShadowBlock implements LayerAdapter {
  readonly parameters: Readonly<Record<string, Parameter>>;
  readonly paths: Readonly<Record<string, string>>;
  readonly modules: { readonly shadow_dropout?: Dropout };
  readonly unmergeable = "its update depends on the hidden states of a second decoder";
  readonly #alpha: number;
  readonly #isLast: boolean;

  constructor(context: LayerContext<ShadowConfig>, width: number) {
    const { config, path, shared, loading } = context;
    const { r, initWeights, updateHiddenSize } = config;
    const { zero, uniform } = draws(context);
    const linear = (out: number, inputs: number, bound = 1 / Math.sqrt(inputs)) =>
      drawn(loading || bound === 0 ? zero : uniform(bound), [out, inputs]);
    const bias = (size: number, inputs: number) => drawn(loading ? zero : uniform(1 / Math.sqrt(inputs)), [size]);
    const inner = updateHiddenSize || r;
    const mlp = (name: string) => ({
      [`${name}.0.weight`]: linear(inner, width),
      [`${name}.0.bias`]: bias(inner, width),
      [`${name}.2.weight`]: linear(width, inner),
      [`${name}.2.bias`]: bias(width, inner),
    });
    this.parameters = {
      "shadow_down.default.weight": linear(r, width),
      "shadow_up.default.weight": linear(width, r, initWeights ? 0 : undefined),
      ...mlp(transform),
      ...mlp(gate),
    };
    this.paths = Object.fromEntries(Object.keys(this.parameters).map((key) => [key, withoutName(key)]));
    const { shadowDropout: p } = config;
    this.modules = p > 0 ? { shadow_dropout: layerDropout(context, p) } : {};
    this.#alpha = config.shadowAlpha;
    this.#isLast = shared.order!.at(-1) === path;
  }

  forward(x: Tensor, base: UnaryModule, ...rest: never[]): Tensor {
    const block = base as unknown as { forward(x: Tensor, ...rest: never[]): Tensor | Tensor[] };
    return scope(() => {
      const width = x.shape[2] / 2;
      const [hidden, shadow] = [slice(x, { dim: 2, end: width }), slice(x, { dim: 2, start: width })];
      const made = block.forward(this.#injected(hidden, shadow), ...rest);
      if (this.#isLast) return made;
      const [next, ...others] = [made].flat();
      const both = cat([next, this.#updated(next, shadow)], { dim: 2 });
      return Array.isArray(made) ? [both, ...others] : both;
    }) as Tensor;
  }

  /** Returns the block's input: h + alpha B A dropout(h - s). */
  #injected(hidden: Tensor, shadow: Tensor): Tensor {
    const { "shadow_down.default.weight": down, "shadow_up.default.weight": up } = this.parameters;
    const whole = sub(hidden, shadow);
    const delta = this.modules.shadow_dropout?.forward(whole) ?? whole;
    const product = matmul(matmul(delta, down, { transposeB: true }), up, { transposeB: true });
    return add(hidden, affine(product, { scale: this.#alpha }));
  }

  /** Returns the shadow's next hidden state: (1 - g) s + g t, where g and t are MLPs of the block's output. */
  #updated(hidden: Tensor, shadow: Tensor): Tensor {
    const open = sigmoid(this.#mlp(gate, hidden));
    const candidate = this.#mlp(transform, hidden);
    return add(mul(affine(open, { scale: -1, shift: 1 }), shadow), mul(open, candidate));
  }

  #mlp(name: string, x: Tensor): Tensor {
    const linear = (index: number, input: Tensor) => {
      const weight = this.parameters[`${name}.${index}.weight`];
      return add(matmul(input, weight, { transposeB: true }), this.parameters[`${name}.${index}.bias`]);
    };
    return linear(2, gelu(linear(0, x)));
  }
}

/**
 * Shadow: a second, small decoder. Each adapted block's input changes by the difference of the two hidden states, and
 * each block's output updates the shadow's. Li et al. 2026, https://arxiv.org/abs/2604.19254
 */
export const shadow: PeftMethod<ShadowConfig> = definePeftMethod({
  peftType: "SHADOW",
  sizes: ["r", "updateHiddenSize", "shadowNumHiddenLayers", "shadowHiddenSize", "shadowIntermediateSize"],
  Config: ShadowConfig,
  format: shadowFormat,
  recipes: [
    {
      name: "shadow",
      title: "Shadow",
      learningRate: 1e-3,
      sizeOption: "shadow-hidden-size",
      config: ({ r }) => new ShadowConfig({ r, taskType: "CAUSAL_LM" }),
    },
  ],
  options: [
    rankOption(),
    targetsOption,
    modulesToSaveOption,
    dropoutOption("shadowDropout"),
    initWeightsOption(),
    {
      field: "shadowAlpha",
      flag: "shadow-alpha",
      type: "number",
      above: 0,
      help: "factor of the change of a block's input",
    },
    {
      field: "shadowModel",
      flag: "shadow-model",
      type: "text",
      help: "mirror, or the folder or hf:// name of a decoder's checkpoint",
    },
    {
      field: "shadowNumHiddenLayers",
      flag: "shadow-layers",
      type: "integer",
      least: 0,
      help: "blocks of the mirror; 0 for one",
    },
    {
      field: "shadowHiddenSize",
      flag: "shadow-hidden-size",
      type: "integer",
      least: 1,
      help: "hidden size of the mirror",
    },
    {
      field: "shadowNumAttentionHeads",
      flag: "shadow-heads",
      type: "integer",
      least: 1,
      help: "attention heads of the mirror",
    },
    {
      field: "shadowIntermediateSize",
      flag: "shadow-intermediate-size",
      type: "integer",
      least: 1,
      help: "width of the mirror's MLP",
    },
    {
      field: "shareEmbeddings",
      flag: "share-embeddings",
      type: "oneOf",
      values: [true, false],
      help: "whether the mirror uses the model's token embeddings",
    },
    {
      field: "updateHiddenSize",
      flag: "update-hidden-size",
      type: "integer",
      least: 0,
      help: "width of the MLPs that update the shadow's hidden state; 0 for the rank",
    },
    {
      field: "auxiliaryLossWeight",
      flag: "auxiliary-loss-weight",
      type: "number",
      least: 0,
      help: "factor of the shadow's own loss",
    },
  ],
  sharedFollowBaseDtype: true,
  buffersFollowBaseDtype: true,
  kinds: ["block"],
  defaultTargets: {},
  runsAlone: "runs a second decoder on all rows of a batch",
  resolve: (config, _, model) => {
    blocksOf(model);
    return config;
  },
  createShared: createShadow,
  createLayer: (context) => new ShadowBlock(context, context.shared.width!),
});
