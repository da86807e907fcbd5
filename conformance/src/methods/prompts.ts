import type {
  CartridgeOptions,
  CPTOptions,
  MultitaskPromptTuningOptions,
  PrefixTuningOptions,
  PromptEncoderOptions,
  PromptTuningOptions,
} from "@lowrank/peft";
import type { Draw } from "../draw.ts";
import { defineCases, type MethodCases } from "../methodCases.ts";
import type { RandomBase } from "../randomBases.ts";

const few = (draw: Draw): { numVirtualTokens: number } => ({ numVirtualTokens: draw.integer(1, 6) });

/** Properties that all prompt methods share. */
const shared = { prompt: true as const, merges: () => false };

/**
 * Returns true if the model's outputs can be compared. With virtual embeddings, a transformers decoder classifies by a
 * padding token.
 */
const reads = ({ task, kind, unprompted }: RandomBase): boolean =>
  !unprompted && (task === "CAUSAL_LM" || kind === "encoder");

/** Prefix tuning, with and without the projection. */
export const prefixTuning: MethodCases<PrefixTuningOptions> = defineCases({
  ...shared,
  draw(draw, base) {
    // PEFT supports it only for language models.
    if (base.task !== "CAUSAL_LM" || base.unlikeBlocks) return null;
    return {
      ...few(draw),
      ...draw.maybe(0.4, () => ({
        prefixProjection: true,
        ...draw.maybe(0.6, () => ({ encoderHiddenSize: draw.integer(3, 20) })),
      })),
      ...draw.maybe(0.3, () => ({ initWeights: "zero" })),
    };
  },
  final: ({ prefixProjection }) => prefixProjection === true,
});

/** Cartridges, with any number of frozen tokens. */
export const cartridge: MethodCases<CartridgeOptions> = defineCases({
  ...shared,
  draw(draw, base) {
    if (base.task !== "CAUSAL_LM" || base.unlikeBlocks) return null;
    const { numVirtualTokens } = few(draw);
    return {
      numVirtualTokens,
      ...draw.maybe(0.7, () => ({ numFrozenTokens: draw.integer(0, numVirtualTokens - 1) })),
    };
  },
});

/** Draws types of tokens: 0, and the four types of two examples and of the start of a third. */
const types = (draw: Draw, count: number): number[] => Array.from({ length: count }, () => draw.integer(0, 9));

/**
 * CPT, with any types of tokens. A batch has types, of which at least one is a label, unless the largest type of the
 * context is a multiple of 4. Then its tokens can all have the default type.
 */
export const cpt: MethodCases<CPTOptions> = defineCases({
  ...shared,
  draw(draw, base) {
    if (!reads(base) || base.task !== "CAUSAL_LM") return null;
    const { numVirtualTokens: count } = few(draw);
    return {
      cptTokenIds: Array.from({ length: count }, () => draw.integer(0, 20)),
      ...draw.maybe(0.9, () => ({ cptTokensTypeMask: types(draw, count) })),
      ...draw.maybe(0.3, () => ({ cptMask: Array.from({ length: count }, () => draw.integer(0, 1)) })),
      ...draw.maybe(0.6, () => ({ optWeightedLossType: "decay" })),
      ...draw.maybe(0.7, () => ({ optLossDecayFactor: draw.pick([0.25, 0.9, 1, 2, 0]) })),
      ...draw.maybe(0.6, () => ({ optProjectionEpsilon: draw.pick([0, 0.01, 0.2, 10]) })),
      ...draw.maybe(0.6, () => ({ optProjectionFormatEpsilon: draw.pick([0, 0.01, 0.2, 10]) })),
    };
  },
  inputs(draw, { cptTokensTypeMask }, { input_ids: rows, labels }) {
    const largest = Math.max(...(cptTokensTypeMask ?? [1]));
    if (largest % 4 === 0 && draw.chance(0.3)) return {};
    const mask = rows.map((row) => types(draw, row.length));
    const labelled = (labels as number[][])[0].findIndex((label) => label !== -100);
    mask[0][labelled] = 4 * Math.ceil((largest + 1) / 4) - largest;
    return { input_type_mask: mask };
  },
  reloads: true,
});

/** Prompt tuning, from random values and from tokens. */
export const promptTuning: MethodCases<PromptTuningOptions> = defineCases({
  ...shared,
  draw(draw, base) {
    if (!reads(base)) return null;
    return { ...few(draw), ...draw.maybe(0.4, () => ({ promptTuningInit: "SAMPLE_VOCAB" })) };
  },
});

/** Multitask prompt tuning, with the tasks of the rows. */
export const multitaskPromptTuning: MethodCases<MultitaskPromptTuningOptions> = defineCases({
  ...shared,
  draw(draw, base) {
    if (!reads(base)) return null;
    return {
      ...few(draw),
      ...draw.maybe(0.8, () => ({ numTasks: draw.integer(1, 4) })),
      ...draw.maybe(0.6, () => ({ numRanks: draw.integer(1, 3) })),
    };
  },
  inputs: (draw, { numTasks = 1 }, { input_ids: rows }) => ({
    task_ids: rows.map(() => draw.integer(0, numTasks - 1)),
  }),
});

/** P-tuning, with an MLP and with an LSTM. */
export const pTuning: MethodCases<PromptEncoderOptions> = defineCases({
  ...shared,
  draw(draw, base) {
    if (!reads(base)) return null;
    return {
      ...few(draw),
      ...draw.maybe(0.5, () => ({
        encoderReparameterizationType: "LSTM",
        ...draw.maybe(0.6, () => ({ encoderNumLayers: draw.integer(1, 3) })),
      })),
      ...draw.maybe(0.6, () => ({ encoderHiddenSize: draw.integer(3, 20) })),
      ...draw.maybe(0.2, () => ({ encoderDropout: 0.1 })),
    };
  },
  final: () => true,
});
