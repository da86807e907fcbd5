import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { folderFiles } from "@lowrank/files";
import { Tokenizer } from "@lowrank/models";
import { sharedPath } from "@lowrank/test-support/folders";
import { expect, test } from "vitest";
import { collate } from "../batches/collate.ts";
import { tokenizeExample } from "./tokenize.ts";

const folder = sharedPath("models/smollm2-135m-instruct", "SmolLM2's training examples");

test.skipIf(!folder)("SmolLM2: 40 conversations become the rows that PEFT trained on", async () => {
  const tokenizer = await Tokenizer.fromFiles(await folderFiles(folder as string));
  const { examples } = JSON.parse(await readFile(join(folder as string, "expected/train.json"), "utf8"));
  expect(examples).toHaveLength(40);
  for (const { prompt, completion, ids, labels, length } of examples) {
    const messages = [
      { role: "user", content: prompt },
      { role: "assistant", content: completion },
    ];
    const batch = collate([await tokenizeExample(tokenizer, { messages })], { padTokenId: 2, padToMultipleOf: 96 });
    expect(Array.from(batch.inputIds)).toEqual(ids);
    expect(Array.from(batch.labels)).toEqual(labels);
    expect(batch.attentionMask.reduce((a, b) => a + b)).toBe(length);
  }
});
