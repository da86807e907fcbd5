import type { Generator, Tensor } from "@lowrank/core";
import { type Embedding, Linear } from "@lowrank/nn";
import { checkDropout, checkInteger, checkOneOf, setOptions } from "../../config/checks.ts";
import type { ConfigFormat } from "../../config/peftConfig.ts";
import {
  PromptLearningConfig,
  type PromptLearningOptions,
  promptFields,
  type ResolvedPromptConfig,
} from "../../config/promptLearningConfig.ts";
import { Lstm } from "../../prompt/lstm.ts";
import { freshEmbedding, Perceptron, PromptEncoder } from "../../prompt/promptEncoder.ts";
import { encoderHiddenSizeOption, modulesToSaveOption, virtualTokensOption } from "../shared/commonOptions.ts";
import { definePromptMethod, type PromptContext, type PromptMethod } from "../shared/method.ts";

/** Options of `PromptEncoderConfig`. */
export interface PromptEncoderOptions extends PromptLearningOptions {
  /**
   * The encoder that computes the virtual tokens from trained embeddings. "MLP": three linear layers with ReLU between
   * them. "LSTM": an LSTM and two linear layers. Default: "MLP".
   */
  encoderReparameterizationType?: "MLP" | "LSTM";
  /** The encoder's hidden width. Default: `tokenDim`. */
  encoderHiddenSize?: number | null;
  /** Number of layers of the LSTM. The MLP always has three layers. Default: 2. */
  encoderNumLayers?: number;
  /** Dropout between the LSTM's layers during training. Default: 0. */
  encoderDropout?: number;
}

const encoderFields = ["encoder_reparameterization_type", "encoder_hidden_size", "encoder_num_layers"];

const pTuningFormat: ConfigFormat = {
  classic: [...promptFields, ...encoderFields, "encoder_dropout"],
  floats: ["encoder_dropout"],
  refused: {},
  ignored: {},
};

/** Configuration of P-tuning (Liu et al. 2021, https://arxiv.org/abs/2103.10385). */
export class PromptEncoderConfig extends PromptLearningConfig {
  readonly encoderReparameterizationType: "MLP" | "LSTM" = "MLP";
  readonly encoderHiddenSize: number | null = null;
  readonly encoderNumLayers: number = 2;
  readonly encoderDropout: number = 0;

  constructor(options: PromptEncoderOptions) {
    super("P_TUNING", options);
    setOptions(this, options, pTuningFormat);
    checkOneOf(this, "encoderReparameterizationType", this.encoderReparameterizationType, ["MLP", "LSTM"]);
    checkInteger(this, "encoderNumLayers", this.encoderNumLayers);
    checkDropout(this, "encoderDropout", this.encoderDropout);
    if (this.encoderHiddenSize !== null) checkInteger(this, "encoderHiddenSize", this.encoderHiddenSize);
  }
}

type Resolved = ResolvedPromptConfig<PromptEncoderConfig>;

/** Computes virtual tokens from embeddings with an MLP, optionally after an LSTM. */
class TokenEncoder extends PromptEncoder {
  embedding: Embedding;
  lstm_head?: Lstm;
  mlp_head: Perceptron;

  constructor(config: Resolved, generator: Generator) {
    super();
    const { numVirtualTokens: count, tokenDim: width, encoderNumLayers: layers, encoderDropout: dropout } = config;
    const hidden = config.encoderHiddenSize ?? width;
    const linear = (inFeatures: number, outFeatures: number) => Linear.create(inFeatures, outFeatures, { generator });
    this.embedding = freshEmbedding(count, width, generator);
    if (config.encoderReparameterizationType === "LSTM") {
      this.lstm_head = new Lstm(width, hidden, { layers, dropout, generator });
      this.mlp_head = new Perceptron([linear(2 * hidden, 2 * hidden), linear(2 * hidden, width)], "relu");
    } else {
      const stack = [linear(width, hidden), linear(hidden, hidden), linear(hidden, width)];
      this.mlp_head = new Perceptron(stack, "relu");
    }
  }

  rows(): Tensor {
    const { weight } = this.embedding;
    return this.mlp_head.forward(this.lstm_head?.forward(weight) ?? weight);
  }
}

/**
 * P-tuning: virtual tokens that a trained encoder computes. Adapter files contain the computed tokens, not the encoder.
 * Liu et al. 2021, https://arxiv.org/abs/2103.10385
 */
export const pTuning: PromptMethod<PromptEncoderConfig> = definePromptMethod({
  peftType: "P_TUNING",
  sizes: ["numVirtualTokens"],
  Config: PromptEncoderConfig,
  format: pTuningFormat,
  recipes: [
    {
      name: "p-tuning",
      title: "P-tuning",
      learningRate: 1e-2,
      sizeOption: "encoder-hidden-size",
      config: ({ virtualTokens }) => new PromptEncoderConfig({ numVirtualTokens: virtualTokens }),
    },
  ],
  options: [
    virtualTokensOption,
    modulesToSaveOption,
    {
      field: "encoderReparameterizationType",
      flag: "encoder-reparameterization-type",
      type: "oneOf",
      values: ["MLP", "LSTM"],
      help: "what makes the rows",
    },
    encoderHiddenSizeOption,
    { field: "encoderNumLayers", flag: "encoder-num-layers", type: "integer", least: 1, help: "layers of the LSTM" },
    {
      field: "encoderDropout",
      flag: "encoder-dropout",
      type: "number",
      least: 0,
      most: 1,
      help: "dropout between the layers of the LSTM",
    },
  ],
  kind: "embeddings",
  resolve: (config) => config.with({ encoderHiddenSize: config.encoderHiddenSize ?? config.tokenDim }),
  width: ({ tokenDim }) => tokenDim,
  trainsRows: () => false,
  createEncoder: ({ config, generator }: PromptContext<PromptEncoderConfig>) => new TokenEncoder(config, generator),
});
