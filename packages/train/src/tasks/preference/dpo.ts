import { affine, div, mean, OptionError, relu, square, sub, type Tensor, tensor } from "@lowrank/core";
import { checkOptions, type OptionKeys } from "@lowrank/core/internal";
import type { Batch } from "../../data/batches/collate.ts";
import { type CollateOptions, collateKeys } from "../../data/padRows.ts";
import { type LanguageModel, labelledTokens, sequenceLogps, withReference } from "../languageModel.ts";
import type { OwnTask } from "../ownTask.ts";
import { collatePairs, logSigmoid, type PreferenceExample, pairsOf, tokensOfPairs } from "./preferenceBatch.ts";

/** Options of `dpo`. */
export interface DPOOptions extends CollateOptions {
  /** Keeps the model near the reference model. Smaller values allow larger differences. Default: 0.1. */
  beta?: number;
  /**
   * The loss of a pair: "sigmoid" (default; Rafailov et al. 2023, https://arxiv.org/abs/2305.18290), "hinge" (SLiC,
   * https://arxiv.org/abs/2305.10425) or "ipo" (Azar et al. 2023, https://arxiv.org/abs/2310.12036).
   */
  lossType?: "sigmoid" | "hinge" | "ipo";
  /** The reference model. Default: the trained model without its adapter. */
  referenceModel?: LanguageModel;
}

/** Names of all options of `dpo`. */
export const dpoKeys: OptionKeys<DPOOptions> = { ...collateKeys, beta: true, lossType: true, referenceModel: true };

/**
 * Computes the loss of each pair, f32 [B]. `delta` [B] is the log-ratio of the chosen answer minus the log-ratio of the
 * rejected answer. `logRatios` returns these log-ratios.
 */
type Loss = (delta: Tensor, beta: number) => Tensor;

const losses: Readonly<Record<NonNullable<DPOOptions["lossType"]>, Loss>> = {
  sigmoid: (delta, beta) => affine(logSigmoid(affine(delta, { scale: beta })), { scale: -1 }),
  hinge: (delta, beta) => relu(affine(delta, { scale: -beta, shift: 1 })),
  ipo: (delta, beta) => square(affine(delta, { shift: -1 / (2 * beta) })),
};

/**
 * Returns log(p / pRef) of the chosen and of the rejected answers, each f32 [B]. Here p is the probability of an answer
 * under the model, and pRef under the reference model. With "ipo", each value is divided by the answer's number of
 * tokens.
 */
export function logRatios(
  caller: string,
  model: LanguageModel,
  batch: Batch,
  { lossType, referenceModel }: Pick<DPOOptions, "lossType" | "referenceModel">,
): [chosen: Tensor, rejected: Tensor] {
  const reference = withReference(caller, model, referenceModel, (other) => sequenceLogps(other, batch));
  const ratios = sub(sequenceLogps(model, batch), reference);
  if (lossType !== "ipo") return pairsOf(ratios);
  const lengths = labelledTokens(batch).map((count) => Math.max(count, 1));
  return pairsOf(div(ratios, tensor(Float32Array.from(lengths), { backend: ratios.storage.backend })));
}

/**
 * The task of direct preference optimisation, which makes chosen answers more likely than rejected ones. The loss is
 * TRL's. Use it as `new Trainer(model, pairs, { ...dpo(options), ... })`.
 */
export function dpo(options: DPOOptions): OwnTask<LanguageModel, PreferenceExample, Batch> {
  checkOptions("dpo", options, dpoKeys);
  const { beta = 0.1, lossType = "sigmoid", referenceModel, ...padding } = options;
  if (!(beta > 0)) throw new OptionError("dpo", "beta", beta, `is ${beta}; give a number above 0, such as 0.1`);
  if (!Object.hasOwn(losses, lossType)) {
    const known = Object.keys(losses).join(", ");
    throw new OptionError("dpo", "lossType", lossType, `is "${lossType}"; give one of ${known}`);
  }
  return {
    collate: (examples) => collatePairs(examples, padding),
    settings: { task: "dpo", beta, lossType, ...padding },
    tokens: tokensOfPairs,
    loss: (model, batch) => {
      const [chosen, rejected] = logRatios("dpo", model, batch, { lossType, referenceModel });
      return mean(losses[lossType](sub(chosen, rejected), beta));
    },
  };
}
