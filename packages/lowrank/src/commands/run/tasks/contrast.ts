import {
  type ContrastExample,
  type EmbeddingModel,
  evaluateContrast,
  ignoreIndex,
  multipleNegativesRanking,
  type OwnTask,
} from "@lowrank/train";
import { openRecordData } from "../../openTrainData.ts";
import { encoder } from "../kinds/encoder.ts";
import { shownText } from "../renderExample.ts";
import { type CommandTask, commandTask } from "./commandTask.ts";
import { contrastForm, contrastReader } from "./taskRecords.ts";

/** The texts of an example by their names. */
function textsOf({ anchor, positive, negative }: ContrastExample) {
  const named = Object.entries({ anchor, positive, ...(negative && { negative }) });
  return named.map(([name, { inputIds }]) => ({ name, inputIds, labels: inputIds.map(() => ignoreIndex) }));
}

/** Embeddings that are near for texts that belong together. */
export const contrast: CommandTask = commandTask<ContrastExample>({
  name: "contrast",
  title: "embeddings, near for texts that belong together",
  kind: encoder,
  flags: ["scale"],
  sequences: 2,
  comparesWithBase: false,
  packs: false,
  probesOwn: true,
  lossOfModel: false,
  form: () => contrastForm,
  read: (tokenizer, options) => openRecordData(tokenizer, contrastReader(tokenizer), options, "pairs"),
  texts: textsOf,
  show: (tokenizer, example, _, maxLength) =>
    textsOf(example).map((text) => shownText(tokenizer, text, maxLength, text.name)),
  own: ({ padding, flags: { scale } }) =>
    multipleNegativesRanking({ ...padding, scale }) as OwnTask<never, never, unknown>,
  measure: async (model, examples, { padding }, batchSize) => {
    const found = await evaluateContrast(model as EmbeddingModel, examples, { ...padding, batchSize });
    return {
      "cosine_accuracy@1": found.accuracy,
      cosine_of_positives: found.positive,
      cosine_of_others: found.other,
      ...(found.tripletAccuracy !== null && { cosine_accuracy: found.tripletAccuracy }),
    };
  },
});
