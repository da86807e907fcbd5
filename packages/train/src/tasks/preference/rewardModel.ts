import { add, affine, mean, neg, reshape, square, sub, type Tensor, tensor } from "@lowrank/core";
import { checkOptions } from "@lowrank/core/internal";
import { backendOf, type TrainableModule } from "../../data/batches/modelBatch.ts";
import { type CollateOptions, collateKeys, padRows, type Row, type Rows } from "../../data/padRows.ts";
import type { OwnTask } from "../ownTask.ts";
import { logSigmoid, pairsOf, tokensOf } from "./preferenceBatch.ts";

/** Two texts of which the chosen one is better than the rejected one. */
export interface RewardExample {
  chosen: Pick<Row, "inputIds">;
  rejected: Pick<Row, "inputIds">;
  /** By how much the chosen text's reward should exceed the rejected text's. Default: 0. */
  margin?: number;
}

/** A model that returns one value, the reward, for a text: a `SequenceClassifier` with one label. */
export interface RewardModel extends TrainableModule {
  forward(inputs: { inputIds: Tensor; attentionMask: Tensor | null }): { logits: Tensor };
}

/** Options of `reward`. */
export interface RewardOptions extends CollateOptions {
  /** Weight of a loss term that keeps the mean reward of a pair near 0. Usual: 0.01. Default: 0. */
  centerRewardsCoefficient?: number;
}

/** Token rows of the chosen texts, then of the rejected ones, and the margin of each pair. */
export interface RewardBatch {
  readonly rows: Rows;
  readonly margins: readonly number[];
}

/** Pads the texts of all pairs to the same length. Rows of chosen texts come first, then rows of rejected texts. */
export function rowsOfPairs(examples: readonly RewardExample[], padding: CollateOptions): Rows {
  return padRows([...examples.map(({ chosen }) => chosen), ...examples.map(({ rejected }) => rejected)], padding);
}

/** Runs a reward model on rows and returns their rewards, f32 [B]. Throws for a model with several labels. */
export function rewardsOf(model: RewardModel, { inputIds, attentionMask, batchSize, length }: Rows): Tensor {
  const backend = backendOf(model);
  const shape = [batchSize, length];
  const { logits } = model.forward({
    inputIds: tensor(inputIds, { shape, backend }),
    attentionMask: attentionMask.includes(0) ? tensor(attentionMask, { shape, backend }) : null,
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
