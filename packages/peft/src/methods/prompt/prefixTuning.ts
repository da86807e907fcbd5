import { type Tensor, zeros } from "@lowrank/core";
import { type Embedding, Linear, Parameter } from "@lowrank/nn";
import { checkFlags, checkInteger, checkOneOf, setOptions } from "../../config/checks.ts";
import type { ConfigFormat } from "../../config/peftConfig.ts";
import {
  PromptLearningConfig,
  type PromptLearningOptions,
  promptFields,
  type ResolvedPromptConfig,
} from "../../config/promptLearningConfig.ts";
import { emptyTable, freshEmbedding, Perceptron, PromptEncoder, PromptTable } from "../../prompt/promptEncoder.ts";
import {
  encoderHiddenSizeOption,
  initWeightsOption,
  modulesToSaveOption,
  virtualTokensOption,
} from "../shared/commonOptions.ts";
import { definePromptMethod, type PromptContext, type PromptMethod } from "../shared/method.ts";

/** Options of `PrefixTuningConfig`. */
export interface PrefixTuningOptions extends PromptLearningOptions {
  /** Initialisation of the prefix. "zero": zeros. Null: random. Default: null. */
  initWeights?: "zero" | null;
  /** Hidden width of the MLP of `prefixProjection`. Default: `tokenDim`. */
  encoderHiddenSize?: number | null;
  /**
   * True: trains embeddings and an MLP that computes the keys and values from the embeddings. Adapter files do not
   * contain the MLP. False: trains the keys and values directly. Default: false.
   */
  prefixProjection?: boolean;
}

const prefixTuningFormat: ConfigFormat = {
  classic: [...promptFields, "encoder_hidden_size", "prefix_projection"],
  floats: [],
  refused: {},
  ignored: {},
};

/** Configuration of prefix tuning (Li and Liang 2021, https://arxiv.org/abs/2101.00190). */
export class PrefixTuningConfig extends PromptLearningConfig {
  readonly initWeights: "zero" | null = null;
  readonly encoderHiddenSize: number | null = null;
  readonly prefixProjection: boolean = false;

  constructor(options: PrefixTuningOptions) {
    super("PREFIX_TUNING", options);
    setOptions(this, options, prefixTuningFormat);
    checkOneOf(this, "initWeights", this.initWeights, ["zero", null]);
    checkFlags(this, { prefixProjection: this.prefixProjection });
    if (this.encoderHiddenSize !== null) checkInteger(this, "encoderHiddenSize", this.encoderHiddenSize);
  }
}

/** Computes the prefix from trained embeddings with an MLP of two linear layers and tanh. */
class ProjectedPrefix extends PromptEncoder {
  embedding: Embedding;
  transform: Perceptron;

  constructor(embedding: Embedding, transform: Perceptron) {
    super();
    this.embedding = embedding;
    this.transform = transform;
  }

  rows(): Tensor {
    return this.transform.forward(this.embedding.weight);
  }
}

function zeroLinear(inFeatures: number, outFeatures: number): Linear {
  using weight = zeros([outFeatures, inFeatures]);
  using bias = zeros([outFeatures]);
  return new Linear(new Parameter(weight), new Parameter(bias));
}

function createEncoder({ config, generator }: PromptContext<PrefixTuningConfig>): PromptEncoder {
  const { numVirtualTokens: count, tokenDim, initWeights, prefixProjection } = config;
  const zero = initWeights === "zero";
  const width = prefixWidth(config);
  if (!prefixProjection) {
    return zero ? emptyTable(count, width) : new PromptTable(freshEmbedding(count, width, generator));
  }
  const hidden = config.encoderHiddenSize ?? tokenDim;
  const layers = [
    Linear.create(tokenDim, hidden, { generator }),
    zero ? zeroLinear(hidden, width) : Linear.create(hidden, width, { generator }),
  ];
  return new ProjectedPrefix(freshEmbedding(count, tokenDim, generator), new Perceptron(layers, "tanh"));
}

/** Returns the number of elements of one virtual token, which consists of a key and a value for each layer. */
function prefixWidth({ numLayers, tokenDim }: ResolvedPromptConfig<PrefixTuningConfig>): number {
  return 2 * numLayers * tokenDim;
}

/**
 * Prefix tuning: trained keys and values at the beginning of every layer's keys and values. Li and Liang 2021,
 * https://arxiv.org/abs/2101.00190
 */
export const prefixTuning: PromptMethod<PrefixTuningConfig> = definePromptMethod({
  peftType: "PREFIX_TUNING",
  sizes: ["numVirtualTokens"],
  Config: PrefixTuningConfig,
  format: prefixTuningFormat,
  recipes: [
    {
      name: "prefix",
      title: "prefix tuning",
      learningRate: 1e-1,
      common: true,
      config: ({ virtualTokens }) => new PrefixTuningConfig({ numVirtualTokens: virtualTokens }),
    },
  ],
  options: [
    virtualTokensOption,
    modulesToSaveOption,
    {
      field: "prefixProjection",
      flag: "prefix-projection",
      type: "boolean",
      help: "train embeddings and a perceptron that makes the rows",
    },
    encoderHiddenSizeOption,
    initWeightsOption(["zero"]),
  ],
  kind: "cache",
  resolve: (config) => config.with({ encoderHiddenSize: config.encoderHiddenSize ?? config.tokenDim }),
  width: prefixWidth,
  trainsRows: ({ prefixProjection }) => !prefixProjection,
  swappable: { fields: ["initWeights"] },
  createEncoder,
});
