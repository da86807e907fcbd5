import {
  evaluateRewards,
  ignoreIndex,
  reward as learnRewards,
  type OwnTask,
  type RewardExample,
  type RewardModel,
} from "@lowrank/train";
import { openRecordData } from "../data/openTrainData.ts";
import { sequenceClassifier } from "../kinds/sequenceClassifier.ts";
import { shownText } from "../view/renderExample.ts";
import { type CommandTask, commandTask } from "./commandTask.ts";
import { rewardForm, rewardReader } from "./taskRecords.ts";

/** Returns a text without learned tokens, since a reward model learns only the score. */
const whole = ({ inputIds }: RewardExample["chosen"]) => ({ inputIds, labels: inputIds.map(() => ignoreIndex) });

/** Task that trains a reward model: a score for a text, larger for the better text of a pair. */
export const reward: CommandTask = commandTask<RewardExample>({
  name: "reward",
  title: "a number for a text, larger for better ones",
  kind: sequenceClassifier,
  flags: ["centerRewardsCoefficient"],
  sequences: 2,
  comparesWithBase: false,
  packs: false,
  probesOwn: true,
  lossOfModel: false,
  form: () => rewardForm,
  read: (tokenizer, options) => openRecordData(tokenizer, rewardReader(tokenizer), options, "pairs"),
  texts: ({ chosen, rejected }) => [whole(chosen), whole(rejected)],
  show: (tokenizer, { chosen, rejected }, _, maxLength) => [
    shownText(tokenizer, whole(chosen), maxLength, "chosen"),
    shownText(tokenizer, whole(rejected), maxLength, "rejected"),
  ],
  own: ({ padding, flags: { centerRewardsCoefficient } }) =>
    learnRewards({ ...padding, centerRewardsCoefficient }) as OwnTask<never, never, unknown>,
  // Names as in TRL's log.
  measure: async (model, examples, { padding }, batchSize) => {
    const found = await evaluateRewards(model as RewardModel, examples, { ...padding, batchSize });
    const { accuracy, margin, mean, min, max } = found;
    return { accuracy, margin, mean_reward: mean, min_reward: min, max_reward: max };
  },
});
