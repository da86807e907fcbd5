import { affine, mean, mul, noGrad, OptionError, relu, sigmoid, sub, type Tensor, tensor } from "@lowrank/core";
import { checkOptions } from "@lowrank/core/internal";
import { type Batch, collate } from "../../data/batches/collate.ts";
import { type CollateOptions, collateKeys } from "../../data/padRows.ts";
import { ignoreIndex } from "../../data/tokens/ignoreIndex.ts";
import type { TokenizedExample } from "../../data/tokens/tokenize.ts";
import { type LanguageModel, sequenceLogps, withReference } from "../languageModel.ts";
import type { OwnTask } from "../ownTask.ts";
import { tokensOf } from "./preferenceBatch.ts";

/** A prompt with an answer that is either desirable or undesirable. The prompt's labels are -100. */
export interface KTOExample extends TokenizedExample {
  desirable: boolean;
}

/** Options of `kto`. */
export interface KTOOptions extends CollateOptions {
  /** Keeps the model near the reference model. Smaller values allow larger differences. Default: 0.1. */
  beta?: number;
  /** Weight of desirable answers in the loss. Default: 1. */
  desirableWeight?: number;
  /** Weight of undesirable answers in the loss. Default: 1. */
  undesirableWeight?: number;
  /** The reference model. Default: the trained model without its adapter. */
  referenceModel?: LanguageModel;
}

/**
 * A batch for the KTO loss: prompts with their own answers (`answers`), and the same prompts with answers of other
 * examples (`mismatched`).
 */
export interface KTOBatch {
  readonly answers: Batch;
  /** Each prompt with the answer of the previous example. Null for a batch of one example. */
  readonly mismatched: Batch | null;
  readonly desirable: readonly boolean[];
}

/** Returns the number of tokens in an example's prompt, that is, before its first label. */
function promptLength({ labels }: TokenizedExample): number {
  const first = labels.findIndex((label) => label !== ignoreIndex);
  return first < 0 ? labels.length : first;
}

function mismatch(example: KTOExample, other: KTOExample): TokenizedExample {
  const [prompt, answer] = [promptLength(example), promptLength(other)];
  return {
    inputIds: [...example.inputIds.slice(0, prompt), ...other.inputIds.slice(answer)],
    labels: [...example.labels.slice(0, prompt), ...other.labels.slice(answer)],
  };
}

/**
 * The task of Kahneman-Tversky optimisation, for single answers that are desirable or undesirable. It estimates the KL
 * divergence from the reference model by pairing each prompt with another example's answer, so use batches of several
 * examples. The loss is TRL's. Ethayarajh et al. 2024, https://arxiv.org/abs/2402.01306
 */
export function kto(options: KTOOptions): OwnTask<LanguageModel, KTOExample, KTOBatch> {
  checkOptions("kto", options, {
    ...collateKeys,
    ...({ beta: true, desirableWeight: true, undesirableWeight: true, referenceModel: true } as const),
  });
  const { beta = 0.1, desirableWeight = 1, undesirableWeight = 1, referenceModel, ...padding } = options;
  if (!(beta > 0)) throw new OptionError("kto", "beta", beta, `is ${beta}; give a number above 0, such as 0.1`);
  const ratios = (model: LanguageModel, batch: Batch): Tensor => {
    const reference = withReference("kto", model, referenceModel, (other) => sequenceLogps(other, batch));
    return sub(sequenceLogps(model, batch), reference);
  };
  return {
    settings: { task: "kto", beta, desirableWeight, undesirableWeight, ...padding },
    tokens: tokensOf,
    collate: (examples) => {
      const before = (i: number) => examples[(i + examples.length - 1) % examples.length];
      const others = examples.map((example, i) => mismatch(example, before(i)));
      return {
        answers: collate(examples, padding),
        mismatched: examples.length > 1 ? collate(others, padding) : null,
        desirable: examples.map(({ desirable }) => desirable),
      };
    },
    loss: (model, { answers, mismatched, desirable }) => {
      const drift = mismatched && noGrad(() => relu(mean(ratios(model, mismatched))));
      const own = ratios(model, answers);
      const { backend } = own.storage;
      const byKind = (good: number, bad: number) =>
        tensor(
          Float32Array.from(desirable, (is) => (is ? good : bad)),
          { backend },
        );
      const likeness = sigmoid(mul(drift ? sub(own, drift) : own, byKind(beta, -beta)));
      return mean(mul(affine(likeness, { scale: -1, shift: 1 }), byKind(desirableWeight, undesirableWeight)));
    },
  };
}
