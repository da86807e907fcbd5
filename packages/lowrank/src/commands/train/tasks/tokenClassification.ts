import { readRecords, type TokenizedExample } from "@lowrank/train";
import { type MaskedText, maskedText } from "@lowrank/train/internal";
import { type IndexedOptions, openRecordData } from "../data/openTrainData.ts";
import { tokenClassifier } from "../kinds/tokenClassifier.ts";
import { shownText } from "../view/renderExample.ts";
import { type CommandTask, commandTask, type TaskFlags } from "./commandTask.ts";
import { taggedForm, taggedReader } from "./taskRecords.ts";

/** Returns the labels of `--labels`, or else all labels in the records, "O" first. */
async function labelsOf({
  labels,
  data,
  columns,
  onBadRecord,
}: IndexedOptions & TaskFlags): Promise<readonly string[]> {
  if (labels) return labels;
  const found = new Set<string>();
  for (const path of data) {
    for await (const { example } of readRecords(path, taggedForm(null), { columns, onBadRecord })) {
      for (const tag of example.tags) found.add(tag);
    }
  }
  return [...found].sort().sort((a, b) => Number(b === "O") - Number(a === "O"));
}

/** Task that trains a model to predict a label for each word. */
export const tokenClassification: CommandTask = commandTask<TokenizedExample>({
  name: "token-classification",
  title: "a label for each word",
  kind: tokenClassifier,
  flags: ["labels"],
  sequences: 1,
  comparesWithBase: false,
  packs: false,
  probesOwn: false,
  labels: labelsOf,
  form: (labels) => taggedForm(labels),
  read: (tokenizer, options, labels) =>
    openRecordData(tokenizer, taggedReader(tokenizer, labels), options, "sentences"),
  texts: (example) => [example],
  show: (tokenizer, example, names, maxLength) => {
    const { tokens, learned } = shownText(tokenizer, example, maxLength);
    // Adjacent words with equal labels are not joined.
    const parts = Array.from({ length: tokens }, (_, i): MaskedText => {
      const [inputIds, labels] = [[example.inputIds[i]], [example.labels[i]]];
      const [part] = maskedText(tokenizer, { inputIds, labels });
      return part.learned ? { ...part, label: names[labels[0]] } : part;
    });
    return [{ name: null, tokens, learned, parts }];
  },
  lossOfModel: true,
  own: () => null,
  measure: async () => ({}),
});
