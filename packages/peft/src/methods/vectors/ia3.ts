import { mul, type Tensor } from "@lowrank/core";
import type { Linear, Parameter, UnaryModule } from "@lowrank/nn";
import type { DenseLayer, LayerAdapter } from "../../layers/tunerLayer.ts";
import { names } from "../../targets/pattern.ts";
import { pythonRegex } from "../../targets/pythonRegex.ts";
import { modulesToSaveOption, targetsOption } from "../shared/commonOptions.ts";
import { type ConvolutionSizes, sizesOf } from "../shared/convolution.ts";
import { drawn, draws } from "../shared/draws.ts";
import { definePeftMethod, type LayerContext, type PeftMethod } from "../shared/method.ts";
import { IA3Config, ia3Format } from "./ia3Config.ts";

/**
 * The modules that (IA)³ scales by default, by `model_type`. `outputs` names modules whose output is scaled, `inputs`
 * names modules whose input is scaled.
 */
const ia3Pairs: Readonly<Record<string, readonly [outputs: string, inputs: string]>> = {
  t5: ["k v", "wo"],
  mt5: ["k v wi_1", ""],
  gpt2: ["c_attn", "mlp.c_proj"],
  bloom: ["query_key_value", "mlp.dense_4h_to_h"],
  roberta: ["key value", "output.dense"],
  opt: ["q_proj k_proj", "fc2"],
  gptj: ["q_proj v_proj", "fc_out"],
  gpt_neox: ["query_key_value", "dense_4h_to_h"],
  gpt_neo: ["q_proj v_proj", "c_proj"],
  bart: ["q_proj v_proj", "fc2"],
  gpt_bigcode: ["c_attn", "mlp.c_proj"],
  llama: ["k_proj v_proj", "down_proj"],
  llama4: ["q_proj v_proj", "down_proj"],
  mistral: ["k_proj v_proj", "down_proj"],
  mixtral: ["k_proj v_proj", "w2"],
  bert: ["key value", "output.dense"],
  "deberta-v2": ["key_proj value_proj", "output.dense"],
  deberta: ["in_proj", "output.dense"],
  RefinedWebModel: ["query_key_value", "dense_4h_to_h"],
  RefinedWeb: ["query_key_value", "dense_4h_to_h"],
  falcon: ["query_key_value", "dense_4h_to_h"],
  phi: ["q_proj v_proj", "fc2"],
  gemma: ["q_proj v_proj", "down_proj"],
  gemma2: ["q_proj v_proj", "down_proj"],
  gemma3_text: ["q_proj v_proj", "down_proj"],
  qwen2: ["q_proj v_proj", "down_proj"],
  qwen3: ["q_proj v_proj", "down_proj"],
};

/** The modules that (IA)³ adapts by default, by `model_type`, as in PEFT. */
const ia3Targets: Readonly<Record<string, readonly string[]>> = Object.fromEntries(
  Object.entries(ia3Pairs).map(([type, [outputs, inputs]]) => [type, names(`${outputs} ${inputs}`.trim())]),
);

/** The feed-forward modules among `ia3Targets`, whose input is scaled instead of their output. */
const ia3FeedforwardTargets: Readonly<Record<string, readonly string[]>> = Object.fromEntries(
  Object.entries(ia3Pairs).map(([type, [, inputs]]) => [type, inputs === "" ? [] : names(inputs)]),
);

/**
 * Returns true if the module is one of `feedforwardModules`, whose input is scaled. As in PEFT, a name may match any
 * end of the path, even within a word.
 */
function isFeedforward({ feedforwardModules: wanted }: IA3Config, path: string): boolean {
  if (typeof wanted === "string") return pythonRegex(wanted, "fullmatch").test(path);
  return (wanted ?? []).some((name) => path.endsWith(name));
}

/**
 * Returns a value for `feedforwardModules`: usually the list `names`. The configuration rejects this list if
 * `targetModules` is a list that lacks one of the names. In that case, returns a regular expression for paths that end
 * in one of the names.
 */
function amongTargets(names: readonly string[], targets: IA3Config["targetModules"]): readonly string[] | string {
  if (!Array.isArray(targets) || names.every((name) => targets.includes(name))) return names;
  return `.*(${names.join("|").replaceAll(".", "\\.")})`;
}

/**
 * (IA)³ on a linear layer. Trains one factor for each output, [out, 1]. In feed-forward modules, trains one factor for
 * each input instead, [1, in].
 */
class IA3Linear implements LayerAdapter {
  readonly parameters: { readonly ia3_l: Parameter };
  readonly #onInput: boolean;

  constructor(context: LayerContext<IA3Config>) {
    const { config, path } = context;
    const { inFeatures, outFeatures } = context.base as Linear;
    const { one, normal } = draws(context);
    this.#onInput = isFeedforward(config, path);
    const start = config.initIa3Weights ? one : normal(1);
    this.parameters = { ia3_l: drawn(start, this.#onInput ? [1, inFeatures] : [outFeatures, 1]) };
  }

  forward(x: Tensor, base: UnaryModule): Tensor {
    const factors = this.parameters.ia3_l.reshape([-1]);
    return this.#onInput ? base.forward(mul(x, factors)) : mul(base.forward(x), factors);
  }

  merge({ weight, bias, fanInFanOut }: DenseLayer): DenseLayer {
    const { ia3_l: factors } = this.parameters;
    return {
      weight: mul(weight, fanInFanOut ? factors.transpose(0, 1) : factors),
      bias: bias && !this.#onInput ? mul(bias, factors.reshape([-1])) : bias,
      fanInFanOut,
    };
  }
}

/**
 * (IA)³ on a convolution in two dimensions. Trains one factor for each output channel, [1, filters, 1, 1]. In
 * feed-forward modules, trains one factor for each input channel instead, [1, channels, 1, 1].
 */
class IA3Convolution implements LayerAdapter {
  readonly parameters: { readonly ia3_l: Parameter };
  readonly #onInput: boolean;
  readonly #sizes: ConvolutionSizes;

  constructor(context: LayerContext<IA3Config>) {
    const { base, config, path } = context;
    this.#sizes = sizesOf(base);
    this.#onInput = isFeedforward(config, path);
    const { channels, filters } = this.#sizes;
    const { one, normal } = draws(context);
    const shape = [1, this.#onInput ? channels : filters, 1, 1];
    this.parameters = { ia3_l: drawn(config.initIa3Weights ? one : normal(1), shape) };
  }

  forward(x: Tensor, base: UnaryModule): Tensor {
    const { ia3_l: factors } = this.parameters;
    return this.#onInput ? base.forward(mul(x, factors)) : mul(base.forward(x), factors);
  }

  merge({ weight, bias, ...rest }: DenseLayer): DenseLayer {
    const { ia3_l: factors } = this.parameters;
    if (!this.#onInput) {
      const scaled = bias && mul(bias, factors.reshape([-1]));
      return { weight: mul(weight, factors.transpose(0, 1)), bias: scaled, ...rest };
    }
    // A filter has the channels of its group only.
    const { channels, filters, groups, elements } = this.#sizes;
    const depth = channels / groups;
    const byGroup = weight.reshape([groups, filters / groups, depth, elements]);
    const scaled = mul(byGroup, factors.reshape([groups, 1, depth, 1]));
    return { weight: scaled.reshape(weight.shape), bias, ...rest };
  }
}

/** (IA)³: multiplies activations by trained factors. Liu et al. 2022, https://arxiv.org/abs/2205.05638 */
export const ia3: PeftMethod<IA3Config> = definePeftMethod({
  peftType: "IA3",
  Config: IA3Config,
  format: ia3Format,
  recipes: [{ name: "ia3", title: "(IA)³", learningRate: 1e-1, common: true, config: () => new IA3Config() }],
  options: [
    targetsOption,
    modulesToSaveOption,
    {
      field: "feedforwardModules",
      flag: "feedforward-modules",
      type: "names",
      help: "targets whose input is scaled, not their output",
    },
  ],
  kinds: ["linear", "conv1d", "convolution2d"],
  defaultTargets: ia3Targets,
  resolve: (config, modelType) => {
    if (config.feedforwardModules !== null) return config;
    const names = ia3FeedforwardTargets[modelType ?? ""];
    if (names) return config.with({ feedforwardModules: amongTargets(names, config.targetModules) });
    throw new Error(
      "feedforwardModules is not set, and there is no default for this model; name the targets whose input is scaled, [] for none",
    );
  },
  setsFanInFanOut: true,
  swappable: { fields: ["initIa3Weights"] },
  combines: { kind: "factors", key: "ia3_l", targets: ["targetModules", "feedforwardModules"] },
  createLayer: (context) => (context.kind === "convolution2d" ? new IA3Convolution(context) : new IA3Linear(context)),
});
