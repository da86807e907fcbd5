import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nanoModelFolder } from "@lowrank/nano";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadModel } from "../../load/loadModel.ts";
import type { MeasuredModel } from "./evalTask.ts";
import { gsm8kTask } from "./gsm8kTask.ts";
import { multipleChoiceTask } from "./multipleChoiceTask.ts";
import { perplexityTask } from "./perplexityTask.ts";
import { readRecords, textField } from "./records.ts";

let folder: string;
let measured: MeasuredModel;
const progress: [number, number][] = [];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lowrank-records-"));
  const { model, tokenizer } = await loadModel(nanoModelFolder);
  const onProgress = (done: number, of: number) => void progress.push([done, of]);
  measured = { model, tokenizer: tokenizer!, eosTokenIds: [], onProgress };
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function file(text: string | readonly object[], name = "a.jsonl"): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, typeof text === "string" ? text : text.map((one) => JSON.stringify(one)).join("\n"));
  return path;
}

describe("records", () => {
  test("are lines with their numbers; empty ones do not count", async () => {
    const path = await file('{"a":1}\n\n  \n{"a":2}\n{"a":3}\n');
    expect(await readRecords(path)).toEqual([
      { fields: { a: 1 }, place: `${path}, line 1` },
      { fields: { a: 2 }, place: `${path}, line 4` },
      { fields: { a: 3 }, place: `${path}, line 5` },
    ]);
    expect(await readRecords(path, 2)).toHaveLength(2);
    // Lines after the limit are not read.
    expect(await readRecords(await file('{"a":1}\n{'), 1)).toHaveLength(1);
  });

  test("are items of a list", async () => {
    const path = await file(' [{"a":1},{"a":2}]', "a.json");
    expect(await readRecords(path)).toEqual([
      { fields: { a: 1 }, place: `${path}, record 1` },
      { fields: { a: 2 }, place: `${path}, record 2` },
    ]);
    expect(await readRecords(path, 1)).toHaveLength(1);
  });

  test("are objects, at least one", async () => {
    const path = await file('{"a":1}\n[1, 2]\n');
    await expect(readRecords(path)).rejects.toThrow(`${path}, line 2: expected an object, and found [1,2]`);
    await expect(readRecords(await file("null"))).rejects.toThrow("line 1: expected an object, and found null");
    await expect(readRecords(await file("3"))).rejects.toThrow("line 1: expected an object, and found 3");
    await expect(readRecords(await file("\n\n"))).rejects.toThrow(`${path} holds no records`);
    await expect(readRecords(await file("{"))).rejects.toThrow(`${path}, line 1`);
    await expect(readRecords(join(folder, "none"))).rejects.toThrow(`there is no file ${join(folder, "none")}`);
    await expect(readRecords(folder)).rejects.toThrow(`${folder} cannot be read: `);
  });

  test("have a text under the first name that is one", () => {
    const record = { fields: { a: 1, b: "x", c: "y" }, place: "f, line 2" };
    expect(textField(record, ["a", "b", "c"])).toBe("x");
    expect(() => textField(record, ["a", "d"])).toThrow(`f, line 2: expected a text "a" or "d"; it has a, b, c`);
  });
});

describe("multiple choice", () => {
  const found = async (record: object, options = {}) => {
    const run = await multipleChoiceTask.read(await file([record]), { batchSize: 8, ...options });
    return run;
  };
  /** Returns the index of the correct choice. */
  const answerOf = async (record: object) => {
    const { samples } = await (await found(record))(measured);
    return (samples[0] as { answer: number }).answer;
  };
  const question = { question: "print", choices: ["a", "b", "c"] };

  test.each([
    [{ answer: 0 }, 0],
    [{ answer: 2 }, 2],
    [{ answer: "1" }, 1],
    [{ answer: "c" }, 2],
    [{ answer: "A" }, 0],
    [{ answerKey: "C" }, 2],
    [{ label: 1 }, 1],
    [{ gold: 1 }, 1],
  ])("an answer is a number, a letter or the choice: %j", async (answer, place) => {
    expect(await answerOf({ ...question, ...answer })).toBe(place);
  });

  test("questions have the fields of ARC, HellaSwag and PIQA", async () => {
    const arc = { question: "print", choices: { text: ["a", "b"], label: ["1", "2"] }, answerKey: "2" };
    expect(await answerOf(arc)).toBe(1);
    expect(await answerOf({ ctx: "print", endings: ["a", "b"], label: "1" })).toBe(1);
    expect(
      await answerOf({ goal: "print", options: ["1", "0"], answer: "x1", gold: 0, answerKey: 0 }).catch(String),
    ).toContain('its answer is "x1"');
    expect(await answerOf({ query: "print", options: ["x", "A"], answer: "A" })).toBe(1);
  });

  test.each([3, -1, "3", "D", "d", "", 0.5])("an answer that names no choice is refused: %j", async (answer) => {
    await expect(found({ ...question, answer })).rejects.toThrow(
      `line 1: its answer is ${JSON.stringify(answer)}; expected the index of a choice from 0 to 2, a letter, or the text of a choice`,
    );
  });

  test("an answer that is none of the labels is refused", async () => {
    const choices = { text: ["a", "b"], label: ["1", "2"] };
    await expect(found({ question: "x", choices, answerKey: "0" })).rejects.toThrow('its answer is "0"');
  });

  test.each([
    [{ question: "x", choices: ["a"], answer: 0 }, "question, choices, answer"],
    [{ question: "x", choices: ["a", 1], answer: 0 }, "question, choices, answer"],
    [{ question: "x", choices: "a", answer: 0 }, "question, choices, answer"],
    [{ question: "x", answer: 0 }, "question, answer"],
  ])("choices are two texts or more: %j", async (record, keys) => {
    await expect(found(record)).rejects.toThrow(
      `line 1: expected "choices", a list of two texts or more; it has ${keys}`,
    );
  });

  test("the measures are shares of all questions, and progress is told", async () => {
    const run = await multipleChoiceTask.read(
      await file([
        { ...question, answer: 0 },
        { ...question, answer: 1 },
        { ...question, answer: 2 },
      ]),
      { batchSize: 8 },
    );
    progress.length = 0;
    const { metrics, samples } = await run(measured);
    expect(metrics.map(({ name, value }) => [name, value])).toEqual([
      ["acc", 1 / 3],
      ["acc_norm", 1 / 3],
    ]);
    expect(samples).toHaveLength(3);
    expect(progress).toEqual([
      [1, 3],
      [2, 3],
      [3, 3],
    ]);
    const { metrics: one } = await (
      await multipleChoiceTask.read(await file([question, question].map((q) => ({ ...q, answer: 0 }))), {
        batchSize: 8,
        limit: 1,
      })
    )(measured);
    expect(one[0].standardError).toBe(null);
  });
});

describe("GSM8K", () => {
  const problem = (i: number) => ({ question: `print ${i}`, answer: `it is ${i}\n#### ${i}` });
  const asked = async (count: number, options: object) => {
    const run = await gsm8kTask.read(await file(Array.from({ length: count }, (_, i) => problem(i))), {
      ...{ batchSize: 4, maxNewTokens: 1 },
      ...options,
    } as never);
    const { samples, metrics } = await run(measured);
    expect(metrics.map(({ name }) => name)).toEqual(["exact_match,strict-match", "exact_match,flexible-extract"]);
    return (samples as { question: string }[]).map(({ question }) => question);
  };

  test("the first problems are shown, and the others are asked", async () => {
    expect(await asked(3, { numFewshot: 1 })).toEqual(["print 1", "print 2"]);
    expect(await asked(3, { numFewshot: 0 })).toEqual(["print 0", "print 1", "print 2"]);
    expect(await asked(4, { numFewshot: 1, limit: 2 })).toEqual(["print 1", "print 2"]);
    await expect(asked(3, { numFewshot: 3 })).rejects.toThrow(
      "has 3 problems, but --num-fewshot needs 3 of them as examples; give --fewshot-data",
    );
    await expect(asked(5, {})).rejects.toThrow(
      "has 5 problems, but --num-fewshot needs 5 of them as examples; give --fewshot-data",
    );
  });

  test("problems of another file are shown alone", async () => {
    const fewshotData = await file([problem(8), problem(9)], "shown.jsonl");
    expect(await asked(2, { fewshotData, numFewshot: 1 })).toEqual(["print 0", "print 1"]);
    expect(await asked(2, { fewshotData, numFewshot: 0, limit: 1 })).toEqual(["print 0"]);
  });

  test("a problem needs its number", async () => {
    const path = await file([problem(0), { question: "x", answer: "3" }]);
    await expect(gsm8kTask.read(path, { batchSize: 1, numFewshot: 0 })).rejects.toThrow(
      `${path}, line 2: its answer has no "#### " followed by a number`,
    );
  });
});

test("the stride of perplexity is no longer than its windows, of 1024 tokens unless another length is given", async () => {
  const path = await file("print", "a.txt");
  const read = (options: object) => perplexityTask.read(path, { batchSize: 1, ...options });
  await expect(read({ stride: 1025 })).rejects.toThrow("--stride 1025 skips tokens between windows of 1024");
  await expect(read({ stride: 9, maxLength: 8 })).rejects.toThrow("--stride 9 skips tokens between windows of 8");
  await read({ stride: 1024 });
  await read({ stride: 8, maxLength: 8 });
});
