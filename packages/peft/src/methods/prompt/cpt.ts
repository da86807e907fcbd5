import {
  add,
  copyInto,
  div,
  maximum,
  mul,
  noGrad,
  OptionError,
  scope,
  sqrt,
  sum,
  type Tensor,
  tensor,
  where,
  zeros,
} from "@lowrank/core";
import { Embedding, Parameter, type PromptLoss } from "@lowrank/nn";
import type { ResolvedPromptConfig } from "../../config/promptLearningConfig.ts";
import { PromptEncoder } from "../../prompt/promptEncoder.ts";
import { modulesToSaveOption } from "../shared/commonOptions.ts";
import { definePromptMethod, type PromptMethod } from "../shared/method.ts";
import { CPTConfig, cptFormat } from "./cptConfig.ts";
import { CPTLoss } from "./cptLoss.ts";
import { tokenEmbedding } from "./startingEmbedding.ts";

type Resolved = ResolvedPromptConfig<CPTConfig>;

/** The norm of changes of tokens that are not trained. */
const fixedEpsilon = 1e-10;

/** Returns the remainder of a type divided by 4, from 0 to 3. */
const partOf = (type: number): number => ((type % 4) + 4) % 4;

/** Returns the largest norm of each token's change. */
function epsilonsOf(config: Resolved): number[] {
  const scale = Math.sqrt(config.tokenDim / 2048);
  const { optProjectionEpsilon: input, optProjectionFormatEpsilon: template } = config;
  return config.cptTokensTypeMask.map((type) => {
    if (type <= 0 || partOf(type) === 0) return fixedEpsilon;
    return scale * (partOf(type) === 2 ? input : template);
  });
}

/** Frozen embeddings of tokens [P, D], with trained changes of a limited norm. */
class CPTEmbedding extends PromptEncoder {
  embedding: Embedding;
  delta_embedding: Embedding;
  readonly #config: Resolved;
  readonly #loss: CPTLoss;

  constructor(embedding: Embedding, config: Resolved) {
    super();
    embedding.weight.requiresGrad = false;
    this.embedding = embedding;
    this.delta_embedding = zeroEmbedding(config);
    this.#config = config;
    this.#loss = new CPTLoss(config);
  }

  /** Returns the virtual tokens. First projects the changes to their largest norms, as PEFT does in every pass. */
  rows(): Tensor {
    const { weight: delta } = this.delta_embedding;
    this.#project(delta);
    const trained = this.#column(Uint8Array.from(this.#config.cptTokensTypeMask, (type) => Number(partOf(type) !== 0)));
    return add(this.embedding.weight, where(trained, delta, delta.detach()));
  }

  #column(values: Uint8Array | Float32Array): Tensor {
    return tensor(values, { shape: [values.length, 1], backend: this.backend });
  }

  #project(delta: Tensor): void {
    noGrad(() =>
      scope(() => {
        const epsilon = this.#column(Float32Array.from(epsilonsOf(this.#config)));
        const norm = sqrt(sum(mul(delta, delta), { dim: 1, keepdim: true }));
        // A row of zeros with epsilon 0 stays zero.
        const largest = maximum(maximum(norm, epsilon), 1e-30);
        copyInto(delta, mul(delta, div(epsilon, largest)));
      }),
    );
  }

  override get loss(): PromptLoss {
    return this.#loss;
  }

  override get frozen(): readonly Parameter[] {
    return [this.embedding.weight];
  }

  override setRows(rows: Tensor): void {
    noGrad(() =>
      scope(() => {
        copyInto(this.embedding.weight, rows);
        copyInto(this.delta_embedding.weight, zeros(rows.shape, { backend: this.backend }));
      }),
    );
  }
}

function zeroEmbedding({ numVirtualTokens, tokenDim }: Resolved): Embedding {
  return new Embedding(new Parameter(zeros([numVirtualTokens, tokenDim])));
}

/**
 * Context-aware prompt tuning: embeddings of a context of examples, which change by a limited norm, and a loss over the
 * answers of the examples. Blau et al. 2024, https://arxiv.org/abs/2410.17222
 */
export const cpt: PromptMethod<CPTConfig> = definePromptMethod({
  peftType: "CPT",
  sizes: ["numVirtualTokens"],
  Config: CPTConfig,
  format: cptFormat,
  recipes: [
    {
      name: "cpt",
      title: "CPT",
      learningRate: 1e-3,
      sizeOption: "virtual-tokens",
      // The first token has the type of an answer, so that the tokens of examples, whose types are larger, are labels.
      // It is no label itself, since nothing predicts it.
      config: ({ virtualTokens: count }) =>
        new CPTConfig({
          cptTokenIds: new Array(count).fill(0),
          cptTokensTypeMask: Array.from({ length: count }, (_, i) => (i === 0 ? 4 : 2)),
        }),
    },
  ],
  options: [
    {
      field: "cptTokenIds",
      flag: "cpt-token-ids",
      type: "integers",
      least: 0,
      help: "tokens of the context; give --cpt-tokens-type-mask too",
      implies: { numVirtualTokens: null, cptMask: null },
    },
    {
      field: "cptTokensTypeMask",
      flag: "cpt-tokens-type-mask",
      type: "integers",
      help: "type of each token of the context",
    },
    {
      field: "optWeightedLossType",
      flag: "opt-weighted-loss-type",
      type: "oneOf",
      values: ["none", "decay"],
      help: "weights of labels",
    },
    { field: "optLossDecayFactor", flag: "opt-loss-decay-factor", type: "number", help: "factor of decay" },
    {
      field: "optProjectionEpsilon",
      flag: "opt-projection-epsilon",
      type: "number",
      least: 0,
      help: "largest change of a token of inputs, for 2048 elements",
    },
    {
      field: "optProjectionFormatEpsilon",
      flag: "opt-projection-format-epsilon",
      type: "number",
      least: 0,
      help: "largest change of a token of templates, for 2048 elements",
    },
    modulesToSaveOption,
  ],
  kind: "embeddings",
  width: ({ tokenDim }) => tokenDim,
  trainsRows: () => true,
  createEncoder: (context) => {
    const { config, embeddings } = context;
    const tokens = embeddings.weight.shape[0];
    const outside = config.cptTokenIds.find((id) => id >= tokens);
    if (outside !== undefined) {
      const problem = `has the token id ${outside}, but the model has ${tokens} tokens; give ids of the model's own tokenizer`;
      throw new OptionError("CPTConfig", "cptTokenIds", config.cptTokenIds, problem);
    }
    return new CPTEmbedding(tokenEmbedding(context, config.cptTokenIds), config);
  },
  emptyEncoder: (config) => new CPTEmbedding(zeroEmbedding(config), config),
});
