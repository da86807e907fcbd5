import {
  add,
  affine,
  mean,
  neg,
  noGrad,
  reshape,
  scope,
  square,
  sub,
  type Tensor,
  tensor,
  withBackend,
  yieldIfDue,
} from "@lowrank/core";
import { checkOptions } from "@lowrank/core/internal";
import { backendOf, type TrainableModule } from "../../data/batches/modelBatch.ts";
import { type CollateOptions, collateKeys, padRows, type Row, type Rows } from "../../data/padRows.ts";
import type { OwnTask } from "../ownTask.ts";
import { logSigmoid, pairsOf, tokensOf } from "./preferenceBatch.ts";

/** Two texts of which the chosen one is better than the rejected one. */
export interface RewardExample {
  chosen: Pick<Row, "inputIds" | "taskId">;
  rejected: Pick<Row, "inputIds" | "taskId">;
  /** Margin by which the chosen text's reward should exceed the rejected text's reward. Default: 0. */
  margin?: number;
}

/** A model that returns one value, the reward, for a text: a `SequenceClassifier` with one label. */
export interface RewardModel extends TrainableModule {
  forward(inputs: { inputIds: Tensor; attentionMask: Tensor | null; taskIds?: readonly number[] | null }): {
    logits: Tensor;
  };
}

/** Options of `reward`. */
export interface RewardOptions extends CollateOptions {
  /** Weight of a loss term that keeps the mean of a pair's two rewards near 0. A common value is 0.01. Default: 0. */
  centerRewardsCoefficient?: number;
}

/** The token rows of all chosen texts, then of all rejected texts. `margins` holds the margin of each pair. */
export interface RewardBatch {
  readonly rows: Rows;
  readonly margins: readonly number[];
}

/** Pads the texts of all pairs to the same length. Rows of chosen texts come first, then rows of rejected texts. */
function rowsOfPairs(examples: readonly RewardExample[], padding: CollateOptions): Rows {
  return padRows([...examples.map(({ chosen }) => chosen), ...examples.map(({ rejected }) => rejected)], padding);
}

/** Runs a reward model on rows and returns their rewards, f32 [B]. Throws for a model with several labels. */
function rewardsOf(model: RewardModel, { inputIds, attentionMask, batchSize, length, taskIds }: Rows): Tensor {
  const backend = backendOf(model);
  const shape = [batchSize, length];
  const { logits } = model.forward({
    inputIds: tensor(inputIds, { shape, backend }),
    attentionMask: attentionMask.includes(0) ? tensor(attentionMask, { shape, backend }) : null,
    ...(taskIds && { taskIds }),
  });
  if (logits.size !== batchSize) {
    throw new Error(
      `reward: the model gives ${logits.size / batchSize} logits for a text, expected 1; load it with numLabels 1`,
    );
  }
  return reshape(logits, [batchSize]);
}

/**
 * The task of reward modelling: a pair's chosen text should get the larger reward. The loss is TRL's. Bradley and Terry
 * 1952, as in Ouyang et al. 2022, https://arxiv.org/abs/2203.02155
 */
export function reward(options: RewardOptions): OwnTask<RewardModel, RewardExample, RewardBatch> {
  checkOptions("reward", options, { ...collateKeys, centerRewardsCoefficient: true });
  const { centerRewardsCoefficient = 0, ...padding } = options;
  return {
    settings: { task: "reward", centerRewardsCoefficient, ...padding },
    tokens: (examples) => tokensOf(examples.flatMap(({ chosen, rejected }) => [chosen, rejected])),
    collate: (examples) => ({
      rows: rowsOfPairs(examples, padding),
      margins: examples.map(({ margin = 0 }) => margin),
    }),
    loss: (model, { rows, margins }) => {
      const [chosen, rejected] = pairsOf(rewardsOf(model, rows));
      const { backend } = chosen.storage;
      const ahead = sub(sub(chosen, rejected), tensor(Float32Array.from(margins), { backend }));
      const loss = neg(mean(logSigmoid(ahead)));
      if (centerRewardsCoefficient === 0) return loss;
      return add(loss, affine(mean(square(add(chosen, rejected))), { scale: centerRewardsCoefficient }));
    },
  };
}

/** Options of `evaluateRewards`. */
export interface EvaluateRewardsOptions extends CollateOptions {
  /** Number of pairs in a forward pass. Default: 8. */
  batchSize?: number;
}

/** Rewards that a reward model gives to pairs of texts. */
export interface RewardEvaluation {
  /** The fraction of pairs whose chosen text has the larger reward. */
  readonly accuracy: number;
  /** The mean over all pairs of (reward of the chosen text - reward of the rejected text). */
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
