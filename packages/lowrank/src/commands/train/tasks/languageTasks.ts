import {
  evaluate,
  type LanguageModel,
  distillation as learnFromTeacher,
  type OwnTask,
  type TokenizedExample,
} from "@lowrank/train";
import { exampleForm } from "@lowrank/train/internal";
import { openTrainData } from "../data/openTrainData.ts";
import { decoder } from "../kinds/decoder.ts";
import { shownText } from "../view/renderExample.ts";
import { type CommandTask, commandTask } from "./commandTask.ts";

/** Fields that SFT and distillation, the two tasks that train on texts, have in common. */
const ofTexts = {
  kind: decoder,
  sequences: 1,
  comparesWithBase: false,
  packs: true,
  probesOwn: false,
  form: () => exampleForm,
  read: openTrainData,
  texts: (example) => [example],
  show: (tokenizer, example, _, maxLength) => [shownText(tokenizer, example, maxLength)],
} satisfies Partial<CommandTask<TokenizedExample>>;

/** Supervised fine-tuning on texts and answers. */
export const sft: CommandTask = commandTask<TokenizedExample>({
  ...ofTexts,
  name: "sft",
  title: "texts and answers as they are",
  flags: [],
  lossOfModel: true,
  own: () => null,
  measure: async () => ({}),
});

/** Distillation of a teacher's next-token distributions. */
export const distillation: CommandTask = commandTask<TokenizedExample>({
  ...ofTexts,
  name: "distillation",
  title: "a teacher's distributions",
  flags: ["teacher", "beta", "temperature"],
  lossOfModel: false,
  own: ({ padding, flags: { beta, temperature }, teacher }) =>
    learnFromTeacher({ ...padding, beta, temperature, teacher: teacher as LanguageModel }) as OwnTask<
      never,
      never,
      unknown
    >,
  lowerIsBetter: ["cross_entropy"],
  // Cross-entropy of the student on the data.
  measure: async (model, examples, { padding }, batchSize) => {
    return { cross_entropy: (await evaluate(model as LanguageModel, examples, { ...padding, batchSize })).loss };
  },
});
