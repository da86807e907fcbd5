import { noGrad, scope } from "@lowrank/core";
import { checkOptions } from "@lowrank/core/internal";
import type { LanguageModel } from "../languageModel.ts";
import { type DPOOptions, dpoKeys, logRatios } from "./dpo.ts";
import { collatePairs, type PreferenceExample } from "./preferenceBatch.ts";

/**
 * Rewards of answer pairs. The reward of an answer is beta * (log-probability under the model - log-probability under
 * the reference model).
 */
export interface PreferenceEvaluation {
  /** The mean reward of the chosen answers. */
  readonly chosen: number;
  /** The mean reward of the rejected answers. */
  readonly rejected: number;
  /** `chosen` minus `rejected`. */
  readonly margin: number;
  /** The fraction of pairs whose chosen answer has the larger reward. */
  readonly accuracy: number;
}

/** Options of `evaluatePreferences`. */
export interface EvaluatePreferencesOptions extends Omit<DPOOptions, "lossType"> {
  /** Number of pairs in a forward pass. Default: 8. */
  batchSize?: number;
}

/** Measures the rewards of answer pairs, as TRL logs them (`rewards/margins`, `rewards/accuracies`). */
export async function evaluatePreferences(
  model: LanguageModel,
  examples: readonly PreferenceExample[],
  options: EvaluatePreferencesOptions,
): Promise<PreferenceEvaluation> {
  const { lossType: _, ...keys } = dpoKeys;
  checkOptions("evaluatePreferences", options, { ...keys, batchSize: true });
  const { beta = 0.1, referenceModel, batchSize = 8, ...padding } = options;
  if (examples.length === 0) throw new Error("evaluatePreferences: there are no examples");
  model.eval();
  let [chosen, rejected, better] = [0, 0, 0];
  for (let at = 0; at < examples.length; at += batchSize) {
    const batch = collatePairs(examples.slice(at, at + batchSize), padding);
    const ratios = noGrad(() => scope(() => logRatios("evaluatePreferences", model, batch, { referenceModel })));
    const [good, bad] = await Promise.all(ratios.map((t) => t.data()));
    for (const t of ratios) t.dispose();
    for (const [i, value] of (good as Float32Array).entries()) {
      chosen += beta * value;
      rejected += beta * (bad as Float32Array)[i];
      if (value > (bad as Float32Array)[i]) better++;
    }
  }
  const count = examples.length;
  return {
    chosen: chosen / count,
    rejected: rejected / count,
    margin: (chosen - rejected) / count,
    accuracy: better / count,
  };
}
