import { noGrad, scope, withBackend, yieldIfDue } from "@lowrank/core";
import { checkOptions } from "@lowrank/core/internal";
import { backendOf } from "../../data/batches/modelBatch.ts";
import { type CollateOptions, collateKeys } from "../../data/padRows.ts";
import { type RewardExample, type RewardModel, rewardsOf, rowsOfPairs } from "./rewardModel.ts";

/** Options of `evaluateRewards`. */
export interface EvaluateRewardsOptions extends CollateOptions {
  /** Number of pairs in a forward pass. Default: 8. */
  batchSize?: number;
}

/** Rewards that a reward model gives to pairs of texts. */
export interface RewardEvaluation {
  /** The fraction of pairs whose chosen text has the larger reward. */
  readonly accuracy: number;
  /** The mean of the chosen text's reward minus the rejected text's. */
  readonly margin: number;
  /** The mean reward of all texts, chosen and rejected. */
  readonly mean: number;
  /** The smallest reward of a text. */
  readonly min: number;
  /** The largest reward of a text. */
  readonly max: number;
}

/** Measures how well a reward model ranks pairs of texts. The metrics are the ones that TRL logs. */
export async function evaluateRewards(
  model: RewardModel,
  examples: readonly RewardExample[],
  options: EvaluateRewardsOptions,
): Promise<RewardEvaluation> {
  checkOptions("evaluateRewards", options, { ...collateKeys, batchSize: true });
  const { batchSize = 8, ...padding } = options;
  if (examples.length === 0) throw new Error("evaluateRewards: there are no examples");
  model.eval();
  const chosen: number[] = [];
  const rejected: number[] = [];
  for (let at = 0; at < examples.length; at += batchSize) {
    await yieldIfDue();
    const pairs = examples.slice(at, at + batchSize);
    const run = () => noGrad(() => scope(() => rewardsOf(model, rowsOfPairs(pairs, padding))));
    using rewards = withBackend(backendOf(model), run);
    const values = [...((await rewards.data()) as Float32Array)];
    chosen.push(...values.slice(0, pairs.length));
    rejected.push(...values.slice(pairs.length));
  }
  const all = [...chosen, ...rejected];
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  return {
    accuracy: chosen.filter((value, i) => value > rejected[i]).length / chosen.length,
    margin: mean(chosen.map((value, i) => value - rejected[i])),
    mean: mean(all),
    min: Math.min(...all),
    max: Math.max(...all),
  };
}
