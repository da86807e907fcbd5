import {
  affine,
  crossEntropy,
  div,
  exp,
  expm1,
  gt,
  log,
  log1p,
  mean,
  neg,
  OptionError,
  slice,
  sub,
  sum,
  type Tensor,
  tensor,
  where,
} from "@lowrank/core";
import { checkOptions } from "@lowrank/core/internal";
import type { Batch } from "../../data/batches/collate.ts";
import { type CollateOptions, collateKeys } from "../../data/padRows.ts";
import { ignoreIndex } from "../../data/tokens/ignoreIndex.ts";
import { type LanguageModel, labelledTokens, predictions } from "../languageModel.ts";
import type { OwnTask } from "../ownTask.ts";
import { collatePairs, logSigmoid, type PreferenceExample, pairsOf, tokensOfPairs } from "./preferenceBatch.ts";

/** Options of `orpo`. */
export interface ORPOOptions extends CollateOptions {
  /**
   * Weight of the odds ratio term in the loss. The other term, the negative log-likelihood of the chosen texts, has
   * weight 1. Default: 0.1.
   */
  beta?: number;
}

/** Returns log(1 - e^x) elementwise for x < 0, also accurate near 0. */
function log1mExp(x: Tensor): Tensor {
  return where(gt(x, tensor(-Math.LN2, { backend: x.storage.backend })), log(neg(expm1(x))), log1p(neg(exp(x))));
}

/** Returns the batch with every token as a label, including the prompts' tokens. Labels of padding stay -100. */
function wholeTexts(batch: Batch): Batch {
  return { ...batch, labels: batch.inputIds.map((id, i) => (batch.attentionMask[i] === 1 ? id : ignoreIndex)) };
}

/**
 * The task of odds ratio preference optimisation, which needs no reference model. It increases the likelihood of the
 * chosen texts, including prompts, and the odds of chosen answers relative to rejected ones. The loss is TRL's. Hong et
 * al. 2024, https://arxiv.org/abs/2403.07691
 */
export function orpo(options: ORPOOptions): OwnTask<LanguageModel, PreferenceExample, Batch> {
  checkOptions("orpo", options, { ...collateKeys, beta: true });
  const { beta = 0.1, ...padding } = options;
  if (!(beta >= 0)) throw new OptionError("orpo", "beta", beta, `is ${beta}; give a number of at least 0, such as 0.1`);
  return {
    collate: (examples) => collatePairs(examples, padding),
    settings: { task: "orpo", beta, ...padding },
    tokens: tokensOfPairs,
    loss: (model, batch) => {
      const { logits, labels } = predictions(model, wholeTexts(batch));
      const [half, tokens] = [batch.batchSize / 2, batch.length];
      const chosenRows = (t: Tensor) => slice(t, { dim: 0, start: 0, end: half });
      const likelihood = crossEntropy(chosenRows(logits), chosenRows(labels), { ignoreIndex });
      const { backend } = logits.storage;
      const answers = slice(tensor(batch.labels, { shape: [2 * half, tokens], backend }), { dim: 1, start: 1 });
      const sums = sum(crossEntropy(logits, answers, { ignoreIndex, reduction: "none" }), { dim: 1 });
      const counts = Float32Array.from(labelledTokens(batch), (count) => -Math.max(count, 1));
      const [chosen, rejected] = pairsOf(div(sums, tensor(counts, { backend })));
      const odds = sub(sub(chosen, rejected), sub(log1mExp(chosen), log1mExp(rejected)));
      return sub(likelihood, affine(mean(logSigmoid(odds)), { scale: beta }));
    },
  };
}
