import { rm, writeFile } from "node:fs/promises";
import { afterAll, expect, test } from "vitest";
import { lines, taskFolder, words } from "../../../testing/taskFolder.ts";

const { folder, at, lowrank, succeed } = await taskFolder();
afterAll(() => rm(folder, { recursive: true, force: true }));

test("a dry run shows the texts of an example", async () => {
  const dry = async (task: string, model: string, data: string) =>
    (await succeed([...words(task, model, data, "dry"), "--dry-run"])).stdout;
  expect(await dry("reward", "model", "texts.jsonl")).toContain(
    "chosen: <s>0 + 0 yes</s>\nrejected: <s>0 + no 0</s>\n",
  );
  expect(await dry("contrast", "bert", "related.jsonl")).toContain(
    "anchor: <s>0 a\npositive: <s>a 0\nnegative: <s>b0\n",
  );
  expect(await dry("token-classification", "bert", "tagged.jsonl")).toContain("of which 3 are learned");
});

test("wrong models, labels and options are told by the flags", async () => {
  const said = async (list: readonly string[]) => (await lowrank(list)).stderr;
  const tags = words("token-classification", "bert", "tagged.jsonl", "x");
  expect(await said([...tags, "--labels", "O,B-LOC"])).toContain(
    'tagged.jsonl:1: a tag is "B-PER", which is not among the labels O, B-LOC; expected {"words": [...], "tags": [...]}',
  );
  expect(await said([...tags, "--sample-prompt", "hi"])).toContain(
    "--sample-prompt is for --task sft, dpo, orpo, kto or distillation; leave it out with --task token-classification",
  );
  await writeFile(at("numbers.jsonl"), lines([{ words: ["ann"], tags: [1] }]));
  const numbers = words("token-classification", "bert", "numbers.jsonl", "x");
  expect(await said(numbers)).toContain(
    "numbers.jsonl:1: a tag is the number 1; give the names of the tags with --labels O,B-PER,...",
  );
  expect(await said(words("token-classification", "model", "tagged.jsonl", "x"))).toContain(
    "Lowrank has no llama model that classifies tokens",
  );
  const near = words("contrast", "model", "related.jsonl", "x");
  expect(await said(near)).toContain("--model model is a llama, which is not an encoder");
  expect(await said([...words("contrast", "bert", "related.jsonl", "x"), "--method", "full"])).toContain(
    "--task contrast can only train an adapter; give a --method other than full",
  );
  expect(await said([...words("reward", "model", "texts.jsonl", "x"), "--group-by-length"])).toContain(
    "--group-by-length is for --task sft or token-classification",
  );
  await writeFile(at("one.jsonl"), lines([{ anchor: "a", positive: "b" }]));
  expect(await said(words("contrast", "bert", "one.jsonl", "x"))).toContain(
    "a batch of one pair without a negative has nothing to compare with; give",
  );
  const uneven = [
    { anchor: "a", positive: "b" },
    { anchor: "c", positive: "d", negative: "e" },
    { anchor: "f", positive: "g" },
  ];
  await writeFile(at("uneven.jsonl"), lines([...uneven, ...uneven]));
  expect(await said(words("contrast", "bert", "uneven.jsonl", "x"))).toContain(
    "example 2 of --data has a negative, unlike example 1; give all examples a negative, or none",
  );
  expect(await said(words("dpo", "bert", "texts.jsonl", "x"))).toContain(
    "--model bert is an encoder and cannot generate text, which --task dpo needs; give --task reward, token-classification or contrast",
  );
  expect(await said([...words("dpo", "model", "texts.jsonl", "x"), "--beta", "0"])).toContain(
    "error: --beta is 0; give",
  );
  expect(await said([...words("sft", "model", "pairs.jsonl", "x"), "--metrics", "f1"])).toContain(
    'error: --metrics lists "f1"',
  );
  expect(await said(words("reward", "model", "text.txt", "x"))).toContain("--data text.txt is plain text");
});
