import {
  type ContrastExample,
  type EmbeddingModel,
  evaluateContrast,
  ignoreIndex,
  multipleNegativesRanking,
  type OwnTask,
} from "@lowrank/train";
import { openRecordData } from "../data/openTrainData.ts";
import { encoder } from "../kinds/encoder.ts";
import { shownText } from "../view/renderExample.ts";
import { type CommandTask, commandTask } from "./commandTask.ts";
import { contrastForm, contrastReader } from "./taskRecords.ts";

/** Returns the texts of an example, each with its name. */
function textsOf({ anchor, positive, negative }: ContrastExample) {
  const named = Object.entries({ anchor, positive, ...(negative && { negative }) });
  return named.map(([name, { inputIds }]) => ({ name, inputIds, labels: inputIds.map(() => ignoreIndex) }));
}

/**
 * Throws if only some examples have a negative text. Also throws if a batch is one pair without a negative, since the
 * loss then has nothing to compare with.
 */
function checkContrast(first: readonly ContrastExample[], batchSize: number): void {
  const count = first.filter(({ negative }) => negative).length;
  if (count > 0 && count < first.length) {
    const at = first.findIndex(({ negative }) => (negative === undefined) !== (first[0].negative === undefined));
    throw new Error(
      `example ${at + 1} of --data ${first[at].negative ? "has" : "lacks"} a negative, unlike example 1; give all examples a negative, or none`,
    );
  }
  if (batchSize > 1 || count > 0) return;
  throw new Error(
    "a batch of one pair without a negative has nothing to compare with; give more data, a larger --batch-size, or negatives",
  );
}

/** Task that trains embeddings: texts that belong together get similar embeddings. */
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
  read: async (tokenizer, options) => {
    const data = await openRecordData(tokenizer, contrastReader(tokenizer), options, "pairs");
    const first = data.first as readonly ContrastExample[];
    checkContrast(first, Math.min(options.batchSize, data.train.length));
    return data;
  },
  texts: textsOf,
  show: (tokenizer, example, _, maxLength) =>
    textsOf(example).map((text) => shownText(tokenizer, text, maxLength, text.name)),
  own: ({ padding, flags: { scale } }) =>
    multipleNegativesRanking({ ...padding, scale }) as OwnTask<never, never, unknown>,
  lowerIsBetter: ["cosine_of_others"],
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
