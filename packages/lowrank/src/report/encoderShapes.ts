import { meta, type Shape, withBackend } from "@lowrank/core";
import { type BertConfig, describeModel, parseClassifierConfig } from "@lowrank/models";
import {
  type AttentionSizes,
  Embedding,
  LayerNorm,
  Linear,
  Module,
  Parameter,
  type PromptableModel,
  Residual,
  type VirtualTokens,
} from "@lowrank/nn";
import type { AdaptableModel, ModelShapes } from "@lowrank/peft";

/** The sizes of an encoder of BERT's kind. */
export interface EncoderSizes {
  modelType: "bert" | "roberta" | "deberta-v2";
  vocabulary: number;
  /** Rows of the tables of positions and of token types; 0: there is none. */
  positions: number;
  tokenTypes: number;
  hidden: number;
  feedForward: number;
  layers: number;
  /** Default: heads of 64. */
  heads?: number;
}

/** A module that is known by its children. */
class Part extends Module {
  forward(): never {
    throw new Error("this encoder is known by its shapes alone; it cannot be run");
  }
}

class Encoder extends Part implements PromptableModel {
  readonly config: { modelType: string };
  readonly attentionSizes: AttentionSizes;
  virtualTokens: VirtualTokens | null = null;

  constructor({ modelType, hidden: hiddenSize, layers, heads = hiddenSize / 64 }: EncoderSizes) {
    super();
    this.config = { modelType };
    this.attentionSizes = {
      ...{ hiddenSize, layers, headDim: hiddenSize / heads },
      ...{ attentionHeads: heads, keyValueHeads: heads },
    };
  }
}

/** Puts a module at a path, with parts above it where there are none. */
function plant(root: Part, path: string, module: Module): void {
  const names = path.split(".");
  let at = root as unknown as Record<string, Module>;
  for (const name of names.slice(0, -1)) {
    at[name] ??= new Part();
    at = at[name] as unknown as Record<string, Module>;
  }
  at[names[names.length - 1]] = module;
}

type Source = (name: string, shape: Shape) => Parameter;

function build(sizes: EncoderSizes, source: Source): AdaptableModel {
  const { modelType, hidden, feedForward, layers } = sizes;
  const root = new Encoder(sizes);
  const at = (path: string, make: (parameter: (name: string, shape: Shape) => Parameter) => Module) =>
    plant(
      root,
      path,
      make((name, shape) => source(`${path}.${name}`, shape)),
    );
  const table = (path: string, rows: number) => {
    if (rows > 0) at(path, (parameter) => new Embedding(parameter("weight", [rows, hidden])));
  };
  const norm = (path: string) =>
    at(path, (parameter) => new LayerNorm(parameter("weight", [hidden]), parameter("bias", [hidden]), 1e-12));
  const linear = (path: string, from: number, to: number) =>
    at(path, (parameter) => new Linear(parameter("weight", [to, from]), parameter("bias", [to])));

  table("embeddings.word_embeddings", sizes.vocabulary);
  table("embeddings.position_embeddings", sizes.positions);
  table("embeddings.token_type_embeddings", sizes.tokenTypes);
  norm("embeddings.LayerNorm");
  const projections = modelType === "deberta-v2" ? ["query_proj", "key_proj", "value_proj"] : ["query", "key", "value"];
  for (let i = 0; i < layers; i++) {
    const layer = `encoder.layer.${i}`;
    for (const name of projections) linear(`${layer}.attention.self.${name}`, hidden, hidden);
    linear(`${layer}.attention.output.dense`, hidden, hidden);
    norm(`${layer}.attention.output.LayerNorm`);
    at(`${layer}.attention.output.residual`, () => new Residual());
    linear(`${layer}.intermediate.dense`, hidden, feedForward);
    linear(`${layer}.output.dense`, feedForward, hidden);
    norm(`${layer}.output.LayerNorm`);
    at(`${layer}.output.residual`, () => new Residual());
  }
  if (modelType !== "deberta-v2") {
    linear("pooler.dense", hidden, hidden);
    return root;
  }
  // Relative positions, and a convolution over three tokens beside the first layer.
  table("encoder.rel_embeddings", 512);
  norm("encoder.LayerNorm");
  at(
    "encoder.conv.conv",
    (parameter) => new Convolution(parameter("weight", [hidden, hidden, 3]), parameter("bias", [hidden])),
  );
  norm("encoder.conv.LayerNorm");
  return root;
}

class Convolution extends Module {
  weight: Parameter;
  bias: Parameter;

  constructor(weight: Parameter, bias: Parameter) {
    super();
    this.weight = weight;
    this.bias = bias;
  }
}

/** An encoder as `AutoModel` of transformers makes it, by shapes alone. */
export function encoderShapes(sizes: EncoderSizes): ModelShapes {
  const backend = meta();
  const parameters: { name: string; shape: Shape }[] = [];
  withBackend(backend, () =>
    build(sizes, (name, shape) => {
      parameters.push({ name, shape });
      return new Parameter(backend.tensor({ shape, dtype: "f32" }));
    }),
  );
  return { modelType: sizes.modelType, parameters, build: (source) => build(sizes, source) };
}

/** The encoder that a BERT's or RoBERTa's config is of, without a head. */
export function encoderOf(config: BertConfig): ModelShapes {
  const { modelType, vocabSize, hiddenSize, intermediateSize } = config;
  return encoderShapes({
    ...{ modelType, vocabulary: vocabSize, hidden: hiddenSize, feedForward: intermediateSize },
    ...{ positions: config.maxPositionEmbeddings, tokenTypes: config.typeVocabSize },
    ...{ layers: config.numHiddenLayers, heads: config.numAttentionHeads },
  });
}

const base = { hidden: 768, feedForward: 3072, layers: 12 };
const large = { hidden: 1024, feedForward: 4096, layers: 24 };
const bert = { modelType: "bert", vocabulary: 30522, positions: 512, tokenTypes: 2 } as const;
const roberta = { modelType: "roberta", vocabulary: 50265, positions: 514, tokenTypes: 1 } as const;

const encoders: Readonly<Record<string, EncoderSizes>> = {
  // Devlin et al. 2019, arXiv:1810.04805.
  "bert-base": { ...bert, ...base },
  "bert-large": { ...bert, ...large },
  // Liu et al. 2019, arXiv:1907.11692.
  "roberta-base": { ...roberta, ...base },
  "roberta-large": { ...roberta, ...large },
  // He et al. 2021, arXiv:2006.03654.
  "deberta-v2-xxlarge": {
    ...{ modelType: "deberta-v2", vocabulary: 128100, positions: 0, tokenTypes: 0 },
    ...{ hidden: 1536, feedForward: 6144, layers: 48 },
  },
};

/** Names of published encoders whose shapes are known. */
export const encoderNames: readonly string[] = Object.keys(encoders);

/**
 * The shapes of a published encoder; undefined for other names. With `classifies`, those of one that classifies sequences
 * in two, for the models that are known so.
 */
export function findEncoder(
  name: string,
  { classifies = false }: { classifies?: boolean } = {},
): ModelShapes | undefined {
  if (!Object.hasOwn(encoders, name)) return undefined;
  const sizes = encoders[name];
  return classifies && sizes.modelType !== "deberta-v2" ? classifierShapes(sizes) : encoderShapes(sizes);
}

function classifierShapes(sizes: EncoderSizes): ModelShapes {
  const json = {
    model_type: sizes.modelType,
    vocab_size: sizes.vocabulary,
    max_position_embeddings: sizes.positions,
    type_vocab_size: sizes.tokenTypes,
    hidden_size: sizes.hidden,
    intermediate_size: sizes.feedForward,
    num_hidden_layers: sizes.layers,
    num_attention_heads: sizes.hidden / 64,
  };
  return describeModel(parseClassifierConfig(json));
}
