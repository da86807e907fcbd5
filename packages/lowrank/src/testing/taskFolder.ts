import { writeFile } from "node:fs/promises";
import { commandFolder } from "./commandFolder.ts";
import { writeTinyBert } from "./tinyBert.ts";

/** Formats records as JSONL. */
export const lines = (records: readonly object[]): string => records.map((record) => JSON.stringify(record)).join("\n");
const names = ["ann", "bob", "cyd"];
export const texts = Array.from({ length: 12 }, (_, i) => ({
  prompt: `${i} + `,
  chosen: `${i} yes`,
  rejected: `no ${i}`,
}));
export const tagged = Array.from({ length: 12 }, (_, i) => {
  return { tokens: [names[i % 3], "sees", `x${i}`], ner_tags: ["B-PER", "O", "O"] };
});
export const related = Array.from({ length: 12 }, (_, i) => ({
  anchor: `${i} a`,
  positive: `a ${i}`,
  negative: `b${i}`,
}));

const common = "--batch-size 4 --steps 4 --lr 1e-2 --validation-fraction 0.5 --quiet";

/** Returns the arguments of a short training for a task. */
export const words = (task: string, model: string, data: string, output: string): string[] =>
  `train --task ${task} --model ${model} --data ${data} --output ${output} ${common}`.split(" ");

/** Makes a `commandFolder` with an additional BERT model, and data for each kind of task. */
export async function taskFolder() {
  const made = await commandFolder();
  const { at } = made;
  await writeTinyBert({ at }, "bert");
  await writeFile(at("texts.jsonl"), lines(texts));
  await writeFile(at("tagged.jsonl"), lines(tagged));
  await writeFile(at("related.jsonl"), lines(related));
  return made;
}
