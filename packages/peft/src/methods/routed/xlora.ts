import { add, affine, mul, OptionError, scope, sizeOf, type Tensor, tensor } from "@lowrank/core";
import { Dropout, type Module, type Parameter, type UnaryModule } from "@lowrank/nn";
import type { LayerAdapter } from "../../layers/tunerLayer.ts";
import { TorchGenerator } from "../../random/torchGenerator.ts";
import { drawn, draws } from "../shared/draws.ts";
import {
  definePeftMethod,
  type LayerContext,
  type PeftMethod,
  type SharedContext,
  type SharedTensors,
} from "../shared/method.ts";
import { XLoraConfig, xloraFormat } from "./xloraConfig.ts";
import { classifierKey, hasHidden, linearIndices, XLoraModel } from "./xloraModel.ts";

/** X-LoRA on one layer: adds the experts' updates, each multiplied by the token's scaling. */
class XLoraLayer implements LayerAdapter {
  readonly parameters: Readonly<Record<string, Parameter>> = {};
  readonly unmergeable = "it mixes its experts differently for each token";
  readonly #context: LayerContext<XLoraConfig>;
  readonly #router: XLoraModel;
  readonly #index: number;

  constructor(context: LayerContext<XLoraConfig>, router: XLoraModel, index: number) {
    this.#context = context;
    this.#router = router;
    this.#index = index;
  }

  forward(x: Tensor, base: UnaryModule): Tensor {
    return scope(() => {
      const { adapters, config, kind } = this.#context;
      const own = adapters();
      let y = base.forward(x);
      const scalings = this.#router.scalingsOf(this.#index);
      for (const [i, name] of Object.keys(config.adapters).entries()) {
        const expert = own.get(name);
        const scaling = scalings[i];
        if (!expert || scaling === 0) continue;
        const update =
          kind === "embedding" ? this.#scaled(expert.added!(x), scaling) : expert.added!(this.#scaled(x, scaling));
        y = add(y, affine(update, { scale: this.#router.weight }));
      }
      return y;
    });
  }

  /** Multiplies inputs [B, T, ...] by the scaling of each token. */
  #scaled(x: Tensor, scaling: Tensor | number): Tensor {
    if (typeof scaling === "number") return affine(x, { scale: scaling });
    const [B, T] = scaling.shape;
    const fitted = x.ndim === 3 && x.shape[0] === B ? this.#router.fitted(scaling, x.shape[1]) : null;
    if (fitted) return mul(x, fitted);
    throw new Error(
      `${this.#context.path} has inputs [${x.shape}], and X-LoRA scales tokens [${B}, ${T}]; train the experts without this layer`,
    );
  }
}

/** PyTorch's gain of the weights of a new linear layer: kaiming_uniform_ with a = √5. */
const gain = Math.sqrt(2 / (1 + Math.sqrt(5) ** 2));

/**
 * Creates the classifier, and the object that runs the model twice. Initial values are PyTorch's after `manual_seed`
 * with the seed of the adapter's generator.
 */
function createClassifier({ config, backend, generator, loading, layers }: SharedContext<XLoraConfig>): SharedTensors {
  const { hiddenSize, xloraSize, xloraDropoutP, layerwiseScalings } = config;
  const experts = Object.keys(config.adapters);
  const indices = linearIndices(config);
  const { zero } = draws({ backend, generator });
  const torch = new TorchGenerator(generator.state.seed);
  const uniform = (bound: number) => (shape: readonly number[]) =>
    tensor(torch.uniform(sizeOf(shape), -bound, bound), { shape: [...shape], backend });
  const parameters: Record<string, Parameter> = {};
  for (const [i, index] of indices.entries()) {
    const inputs = i === 0 ? hiddenSize : xloraSize;
    const classes = experts.length * (layerwiseScalings ? layers.length : 1);
    const outputs = i === indices.length - 1 ? classes : xloraSize;
    const start = (bound: number) => (loading ? zero : uniform(bound));
    const ofWeight = Math.sqrt(3) * (gain / Math.sqrt(inputs));
    parameters[classifierKey(index, "weight")] = drawn(start(ofWeight), [outputs, inputs]);
    parameters[classifierKey(index, "bias")] = drawn(start(1 / Math.sqrt(inputs)), [outputs]);
  }
  const dropout = new Dropout(xloraDropoutP, generator.fork("internal_xlora_classifier"));
  const hook = new XLoraModel({ config, parameters, experts, layers: layers.length, backend, dropout });
  return { parameters, hook, modules: { xlora_dropout: dropout }, order: layers.map(({ path }) => path) };
}

/** Throws unless the classifier fits the model. */
function checkModel(config: XLoraConfig, model: Module): void {
  if (Object.keys(config.adapters).length === 0) {
    throw new OptionError("XLoraConfig", "adapters", {}, "has no experts; name at least one saved LoRA adapter");
  }
  if (!hasHidden(model)) {
    throw new Error("X-LoRA needs a model with a function `hidden`, such as a language model or a sequence classifier");
  }
  const { hiddenSize = config.hiddenSize } =
    (model as { attentionSizes?: { hiddenSize: number } }).attentionSizes ?? {};
  if (hiddenSize === config.hiddenSize) return;
  throw new OptionError(
    "XLoraConfig",
    "hiddenSize",
    config.hiddenSize,
    `is ${config.hiddenSize}, and the model's hidden states have ${hiddenSize} elements; set hiddenSize to ${hiddenSize}`,
  );
}

/**
 * X-LoRA: mixes LoRA adapters, with scalings that a classifier computes for each token from the model's hidden states.
 * Buehler and Buehler 2024, https://arxiv.org/abs/2402.07148
 */
export const xlora: PeftMethod<XLoraConfig> = definePeftMethod({
  peftType: "XLORA",
  sizes: ["xloraDepth", "xloraSize"],
  // A file without the only layer, as PEFT writes it, gets an error about missing tensors.
  usedSizes: ({ xloraDepth }) => (xloraDepth > 1 ? ["xloraDepth", "xloraSize"] : []),
  Config: XLoraConfig,
  format: xloraFormat,
  recipes: [],
  options: [],
  trainsHeads: false,
  readsAdapters: () => true,
  runsAlone: "runs the model twice",
  experts: ({ adapters }) => adapters,
  expertsTrain: ({ useTrainableAdapters }) => useTrainableAdapters,
  kinds: ["linear", "conv1d", "embedding"],
  defaultTargets: {},
  // When the experts are loaded, the paths of their layers replace these.
  targets: () => [],
  resolve: (config, _, model) => {
    checkModel(config, model);
    return config;
  },
  createShared: createClassifier,
  createLayer: (context) => {
    const index = context.shared.order!.indexOf(context.path);
    return new XLoraLayer(context, context.shared.hook as XLoraModel, index);
  },
});
