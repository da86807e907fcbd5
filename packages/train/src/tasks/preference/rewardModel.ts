import { add, affine, mean, neg, reshape, square, sub, type Tensor, tensor } from "@lowrank/core";
import { checkOptions, type OptionKeys } from "@lowrank/core/internal";
import { backendOf, type TrainableModule } from "../../data/modelBatch.ts";
import { type CollateOptions, collateKeys, padRows, type Row, type Rows } from "../../data/padRows.ts";
import type { OwnTask } from "../ownTask.ts";
import { logSigmoid } from "./logSigmoid.ts";
import { pairsOf, tokensOf } from "./preferenceBatch.ts";

/** Two texts: the better and the worse one. */
export interface RewardExample {
  chosen: Pick<Row, "inputIds">;
  rejected: Pick<Row, "inputIds">;
  /** The required difference of their rewards. Default: 0. */
  margin?: number;
}

/** A model that returns one value for a text: a `SequenceClassifier` with one label. */
export interface RewardModel extends TrainableModule {
  forward(inputs: { inputIds: Tensor; attentionMask: Tensor | null }): { logits: Tensor };
}

/** Options of `reward`. */
export interface RewardOptions extends CollateOptions {
  /** The weight of a term that centres rewards at 0. Default: 0; 0.01 is usual. */
  centerRewardsCoefficient?: number;
}

const rewardKeys: OptionKeys<RewardOptions> = { ...collateKeys, centerRewardsCoefficient: true };

/** Rows of texts, the chosen ones first, and the margins of the pairs. */
export interface RewardBatch {
  readonly rows: Rows;
  readonly margins: readonly number[];
}

/** Pads the texts of pairs to one length: first the chosen rows, then the rejected rows. */
export function rowsOfPairs(examples: readonly RewardExample[], padding: CollateOptions): Rows {
  return padRows([...examples.map(({ chosen }) => chosen), ...examples.map(({ rejected }) => rejected)], padding);
}

/** Returns the rewards of rows: f32 [B]. Throws for a model with several labels. */
export function rewardsOf(model: RewardModel, { inputIds, attentionMask, batchSize, length }: Rows): Tensor {
  const backend = backendOf(model);
  const shape = [batchSize, length];
  const { logits } = model.forward({
    inputIds: tensor(inputIds, { shape, backend }),
    attentionMask: attentionMask.includes(0) ? tensor(attentionMask, { shape, backend }) : null,
  });
  if (logits.size !== batchSize) {
    throw new Error(`reward: the model gives ${logits.size / batchSize} numbers for a text; load it with numLabels 1`);
  }
  return reshape(logits, [batchSize]);
}

/**
 * The task of reward modelling: the better text of a pair gets the larger reward. The loss is TRL's. Bradley and Terry
 * 1952, as in Ouyang et al. 2022, https://arxiv.org/abs/2203.02155
 */
export function reward(options: RewardOptions): OwnTask<RewardModel, RewardExample, RewardBatch> {
  checkOptions("reward", options, rewardKeys);
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
