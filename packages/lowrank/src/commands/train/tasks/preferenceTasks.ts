import {
  type DPOOptions,
  evaluatePreferences,
  evaluateRewards,
  ignoreIndex,
  type KTOExample,
  type LanguageModel,
  dpo as learnDpo,
  kto as learnKto,
  orpo as learnOrpo,
  reward as learnRewards,
  type OwnTask,
  type PreferenceExample,
  type RewardExample,
  type RewardModel,
} from "@lowrank/train";
import { openRecordData } from "../data/openTrainData.ts";
import { decoder } from "../kinds/decoder.ts";
import { sequenceClassifier } from "../kinds/sequenceClassifier.ts";
import { shownText } from "../view/renderExample.ts";
import { type CommandTask, commandTask } from "./commandTask.ts";
import { ktoForm, ktoReader, pairForm, pairReader, rewardForm, rewardReader } from "./taskRecords.ts";

/** Fields that DPO and ORPO, the two tasks that train on preference pairs, have in common. */
const ofPairs = {
  kind: decoder,
  sequences: 2,
  packs: false,
  probesOwn: false,
  lossOfModel: false,
  form: () => pairForm,
  read: (tokenizer, options) => openRecordData(tokenizer, pairReader(tokenizer), options, "pairs"),
  texts: ({ chosen, rejected }) => [chosen, rejected],
  show: (tokenizer, { chosen, rejected }, _, maxLength) => [
    shownText(tokenizer, chosen, maxLength, "chosen"),
    shownText(tokenizer, rejected, maxLength, "rejected"),
  ],
  lowerIsBetter: ["rewards/rejected"],
  // Rewards of pairs under the adapter, named as in TRL's log.
  measure: async (model, examples, { padding, flags: { beta } }, batchSize) => {
    const found = await evaluatePreferences(model as LanguageModel, examples, { ...padding, beta, batchSize });
    return {
      "rewards/chosen": found.chosen,
      "rewards/rejected": found.rejected,
      "rewards/margins": found.margin,
      "rewards/accuracies": found.accuracy,
    };
  },
} satisfies Partial<CommandTask<PreferenceExample>>;

/** DPO: trains the model to prefer the better answer of a pair. The reference is the model without its adapter. */
export const dpo: CommandTask = commandTask<PreferenceExample>({
  ...ofPairs,
  name: "dpo",
  title: "better answers over worse ones",
  flags: ["beta", "lossType"],
  comparesWithBase: true,
  own: ({ padding, flags: { beta, lossType } }) =>
    learnDpo({ ...padding, beta, lossType } as DPOOptions) as OwnTask<never, never, unknown>,
});

/** ORPO: trains the model to prefer the better answer of a pair, without a reference model. */
export const orpo: CommandTask = commandTask<PreferenceExample>({
  ...ofPairs,
  name: "orpo",
  title: "the same, without a reference",
  flags: ["beta"],
  comparesWithBase: false,
  own: ({ padding, flags: { beta } }) => learnOrpo({ ...padding, beta }) as OwnTask<never, never, unknown>,
});

/** KTO: trains on single answers that are labelled good or bad. */
export const kto: CommandTask = commandTask<KTOExample>({
  name: "kto",
  title: "answers that are good or bad by themselves",
  kind: decoder,
  flags: ["beta"],
  sequences: 1,
  comparesWithBase: true,
  packs: false,
  probesOwn: false,
  lossOfModel: false,
  form: () => ktoForm,
  read: (tokenizer, options) => openRecordData(tokenizer, ktoReader(tokenizer), options, "judged answers"),
  texts: (example) => [example],
  show: (tokenizer, example, _, maxLength) => [
    shownText(tokenizer, example, maxLength, example.desirable ? "good" : "bad"),
  ],
  own: ({ padding, flags: { beta } }) => learnKto({ ...padding, beta }) as OwnTask<never, never, unknown>,
  lowerIsBetter: ["rewards/rejected"],
  // Mean rewards of good and of bad answers.
  measure: async (model, examples, { padding, flags: { beta } }, batchSize) => {
    const mean = async (desirable: boolean) => {
      const rows = examples.filter((example) => example.desirable === desirable);
      if (rows.length === 0) return null;
      const pairs = rows.map((row) => ({ chosen: row, rejected: row }));
      return (await evaluatePreferences(model as LanguageModel, pairs, { ...padding, beta, batchSize })).chosen;
    };
    const [chosen, rejected] = [await mean(true), await mean(false)];
    return {
      ...(chosen !== null && { "rewards/chosen": chosen }),
      ...(rejected !== null && { "rewards/rejected": rejected }),
      ...(chosen !== null && rejected !== null && { "rewards/margins": chosen - rejected }),
    };
  },
});

/** Returns a text in which no token counts in the loss, since a reward model learns only the score. */
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
