import {
  add,
  affine,
  gelu,
  geluTanh,
  layerNorm,
  linear,
  maximum,
  mean,
  mul,
  OptionError,
  relu,
  scope,
  sigmoid,
  silu,
  sizeOf,
  type Tensor,
  tanh,
  tensor,
} from "@lowrank/core";
import type { Dropout, Module, Parameter, PromptableModel, UnaryModule } from "@lowrank/nn";
import type { LayerAdapter } from "../../layers/tunerLayer.ts";
import { dropoutOption, initWeightsOption } from "../shared/commonOptions.ts";
import { type Draw, drawn, draws, layerDropout } from "../shared/draws.ts";
import { definePeftMethod, type LayerContext, type PeftMethod } from "../shared/method.ts";
import {
  BnConfig,
  bottleneckFormat,
  DoubleSeqBnConfig,
  nonLinearities,
  ParBnConfig,
  SeqBnConfig,
} from "./bottleneckConfig.ts";
import { bottleneckLayout } from "./bottleneckLayout.ts";

const activations: Readonly<Record<BnConfig["nonLinearity"], (x: Tensor) => Tensor>> = {
  relu,
  leakyrelu: (x) => maximum(x, affine(x, { scale: 0.01 })),
  gelu,
  gelu_new: geluTanh,
  silu,
  swish: silu,
  tanh,
  sigmoid,
};

/**
 * Modules of a transformer block that can get an adapter. `end` is the end of the module's path, and `inFiles` replaces
 * it in the keys of AdapterHub's files. `attention` is true for modules after attention and false for modules after the
 * feed-forward layers. The last two entries are for BERT.
 */
const places: readonly { end: string; inFiles: string; attention: boolean }[] = [
  { end: ".attention_residual", inFiles: ".attention_adapters", attention: true },
  { end: ".mlp_residual", inFiles: ".output_adapters", attention: false },
  { end: ".attention.output.residual", inFiles: ".attention.output", attention: true },
  { end: ".output.residual", inFiles: ".output", attention: false },
];

const placeOf = (path: string) => places.find(({ end }) => path.endsWith(end));

/**
 * Returns the first number in a module's path, which is the layer's index, as a string. Returns "0" if the path
 * contains no number.
 */
function layerNumber(path: string): string {
  return /\.(\d+)\./.exec(path)?.[1] ?? "0";
}

/**
 * Returns the paths of the modules that add a residual and that the configuration selects for an adapter. Throws if
 * there are none.
 */
function residuals(config: BnConfig, model: Module): string[] {
  const { mhAdapter, outputAdapter, leaveOut } = config;
  const found = Array.from(model.namedModules(), ([path]) => path).filter((path) => placeOf(path) !== undefined);
  const wanted = found.filter((path) => {
    const isWanted = placeOf(path)?.attention ? mhAdapter : outputAdapter;
    return isWanted && !leaveOut.includes(Number(layerNumber(path)));
  });
  if (wanted.length > 0) return wanted;
  const [name, kind] = [config.constructor.name, model.constructor.name];
  if (found.length > 0) {
    throw new Error(
      `${name}: mhAdapter ${mhAdapter}, outputAdapter ${outputAdapter} and leaveOut [${leaveOut}] exclude all ${found.length} Residual modules of this ${kind}; change one of these options`,
    );
  }
  throw new Error(
    `${name}: this ${kind} has no transformer blocks. Bottleneck adapters need Residual modules at paths that end in ${places.map(({ end }) => end.slice(1)).join(", ")}; use a model of loadModel, give your Residual modules such paths, or use a method for single layers, such as new LoraConfig({ targetModules })`,
  );
}

/**
 * Returns a model's hidden size, or the configured hidden size if the model does not specify one. Throws if both are
 * missing.
 */
function hiddenSizeOf(config: BnConfig, model: Module): number {
  const size = (model as PromptableModel).attentionSizes?.hiddenSize ?? config.hiddenSize;
  if (size !== null && size !== undefined) return size;
  throw new Error(
    `${config.constructor.name}: the hidden size is unknown, since this ${model.constructor.name} has no attentionSizes; set hiddenSize`,
  );
}

function bottleneckWidth({ reductionFactor, hiddenSize }: BnConfig, path: string): number {
  const layer = layerNumber(path);
  const factor =
    typeof reductionFactor === "number" ? reductionFactor : (reductionFactor[layer] ?? reductionFactor.default);
  if (factor === undefined) {
    throw new OptionError("", "reductionFactor", reductionFactor, `lacks layer ${layer}; add it, or a "default"`);
  }
  return Math.max(1, Math.floor((hiddenSize as number) / factor));
}

/** Returns an initialiser that draws from N(0, std²), truncated at two standard deviations. */
function cutNormal({ generator, backend }: LayerContext<BnConfig>, std: number): Draw {
  return (shape) => {
    const values = new Float32Array(sizeOf(shape));
    generator.fillNormal(values, 0, std);
    const one = new Float32Array(1);
    for (const [i, value] of values.entries()) {
      one[0] = value;
      while (Math.abs(one[0]) > 2 * std) generator.fillNormal(one, 0, std);
      values[i] = one[0];
    }
    return tensor(values, { shape, backend });
  };
}

/** Returns the initialisers that `initWeights` selects for the down projection and the up projection. */
function starts(context: LayerContext<BnConfig>): { down: Draw; up: Draw } {
  const { config } = context;
  const { zero, uniform, normal } = draws(context);
  if (config.initWeights === "bert") return { down: normal(0.02), up: normal(0.02) };
  const cut = cutNormal(context, 0.01);
  if (config.initWeights === "houlsby") return { down: cut, up: cut };
  const bound = 1 / Math.sqrt(config.hiddenSize as number);
  return { down: uniform(bound), up: zero };
}

type Bottle = "adapter_down.0" | "adapter_up" | "gate" | "adapter_norm_after";

/** A down projection, an activation and an up projection, inserted where a block adds its residual. */
class Bottleneck implements LayerAdapter {
  readonly unmergeable = "it adds layers next to the layers of the model";
  readonly parameters: Record<string, Parameter>;
  readonly modules: Record<string, Module>;
  readonly #config: BnConfig;
  readonly #dropout: Dropout;

  constructor(context: LayerContext<BnConfig>) {
    const { config, path } = context;
    const D = config.hiddenSize as number;
    const width = bottleneckWidth(config, path);
    const { down, up } = starts(context);
    const { zero, one, normal } = draws(context);
    this.parameters = {
      "adapter_down.0.weight": drawn(down, [width, D]),
      "adapter_down.0.bias": drawn(zero, [width]),
      "adapter_up.weight": drawn(up, [D, width]),
      "adapter_up.bias": drawn(zero, [D]),
    };
    if (config.useGating) {
      this.parameters["gate.weight"] = drawn(normal(0.02), [1, D]);
      this.parameters["gate.bias"] = drawn(zero, [1]);
    }
    if (config.lnAfter) {
      this.parameters["adapter_norm_after.weight"] = drawn(one, [D]);
      this.parameters["adapter_norm_after.bias"] = drawn(zero, [D]);
    }
    if (typeof config.scaling !== "number") {
      this.parameters.scaling = drawn(one, [config.scaling === "channel" ? D : 1]);
    }
    this.#config = config;
    this.#dropout = layerDropout(context, config.dropout);
    this.modules = config.dropout > 0 ? { dropout: this.#dropout } : {};
  }

  /**
   * Returns the sum of the sub-layer's output and the residual, with the adapter applied. `made` is the sub-layer's
   * output, `before` is the residual (the block's hidden states before the sub-layer), and `norm` is the norm that BERT
   * applies to the sum.
   */
  forward(made: Tensor, _base: UnaryModule, before: Tensor, norm?: UnaryModule): Tensor {
    return scope(() => {
      const { isParallel, originalLnAfter } = this.#config;
      const out = isParallel ? add(this.#normed(this.#apply(before)), made) : this.#behind(made, before, norm);
      if (!originalLnAfter) return out;
      const sum = add(out, before);
      return norm ? norm.forward(sum) : sum;
    });
  }

  #behind(made: Tensor, before: Tensor, norm: UnaryModule | undefined): Tensor {
    const { originalLnBefore, residualBeforeLn, adapterResidualBeforeLn } = this.#config;
    let [x, residual] = [made, made];
    if (originalLnBefore) {
      const sum = add(made, before);
      x = norm ? norm.forward(sum) : sum;
      if (residualBeforeLn !== true) residual = residualBeforeLn === "post_add" ? sum : x;
    }
    const out = this.#apply(x);
    return adapterResidualBeforeLn ? this.#normed(add(out, residual)) : add(this.#normed(out), residual);
  }

  #apply(x: Tensor): Tensor {
    const { nonLinearity, scaling, useGating } = this.#config;
    const low = activations[nonLinearity](this.#linear("adapter_down.0", x));
    const high = this.#linear("adapter_up", low);
    const out = this.#dropout.forward(
      typeof scaling === "number" ? affine(high, { scale: scaling }) : mul(high, this.parameters.scaling),
    );
    if (!useGating) return out;
    return mul(out, mean(sigmoid(this.#linear("gate", x)), { dim: 1, keepdim: true }));
  }

  #linear(name: Bottle, x: Tensor): Tensor {
    return linear(x, this.parameters[`${name}.weight`], this.parameters[`${name}.bias`]);
  }

  #normed(x: Tensor): Tensor {
    const { "adapter_norm_after.weight": weight, "adapter_norm_after.bias": bias } = this.parameters;
    return weight ? layerNorm(x, weight, bias, { eps: 1e-5 }) : x;
  }
}

/** Bottleneck adapters in AdapterHub's file format: Houlsby, Pfeiffer, parallel, and combinations of their options. */
export const bottleneck: PeftMethod<BnConfig> = definePeftMethod({
  peftType: "BOTTLENECK",
  Config: BnConfig,
  format: bottleneckFormat,
  recipes: [
    {
      name: "houlsby",
      title: "adapters (Houlsby)",
      learningRate: 1e-2,
      common: true,
      sizeOption: "reduction-factor",
      config: () => new DoubleSeqBnConfig(),
    },
    {
      name: "pfeiffer",
      title: "adapters (Pfeiffer)",
      learningRate: 1e-2,
      sizeOption: "reduction-factor",
      config: () => new SeqBnConfig(),
    },
    {
      name: "parallel",
      title: "adapters (parallel)",
      learningRate: 3e-3,
      sizeOption: "reduction-factor",
      config: () => new ParBnConfig(),
    },
  ],
  options: [
    dropoutOption("dropout"),
    {
      field: "reductionFactor",
      flag: "reduction-factor",
      type: "number",
      above: 0,
      help: "the hidden size over the width of the bottleneck",
    },
    {
      field: "nonLinearity",
      flag: "non-linearity",
      type: "oneOf",
      values: nonLinearities,
      help: "activation between the two layers",
    },
    { field: "lnAfter", flag: "ln-after", type: "boolean", help: "an additional norm after the adapter" },
    { field: "useGating", flag: "use-gating", type: "boolean", help: "a gate of each sequence" },
    initWeightsOption(["bert", "mam_adapter", "houlsby"]),
  ],
  taskless: true,
  kinds: ["residual"],
  defaultTargets: {},
  targets: residuals,
  layout: bottleneckLayout,
  swappable: { fields: ["initWeights"] },
  resolve: (config, modelType, model) => {
    residuals(config, model);
    const [modelClass, hiddenSize] = [model.constructor.name, hiddenSizeOf(config, model)];
    return config.with({ modelType: modelType ?? null, modelClass, hiddenSize });
  },
  fileKey: (path, key, { name }) => {
    const { end, inFiles } = placeOf(path)!;
    return `${path.slice(0, -end.length)}${inFiles}.adapters.${name}.${key}`;
  },
  createLayer: (context) => new Bottleneck(context),
});
