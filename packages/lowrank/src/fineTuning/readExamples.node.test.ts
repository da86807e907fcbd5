import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readExamples, readPreference } from "./readExamples.ts";
import { parseTrainOptions } from "./trainOptions.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lowrank-examples-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Tokenizer with one token per character. */
const tokenizer = { encode: (text: string) => [...text].map((letter) => letter.charCodeAt(0)), eosTokenId: 1 } as never;
const even = async (_: unknown, value: unknown) => {
  if (typeof value === "number" && value % 2 === 0) return value;
  throw new Error(`${value} is odd`);
};
const message = async (text: string) => {
  const path = join(folder, "a.jsonl");
  await writeFile(path, text);
  return readExamples(path, tokenizer, even, "training_file").then(String, (error) => error.message);
};

test("a file has an example a line; empty lines do not count", async () => {
  expect(await message("2\r\n\n  \n4\n")).toBe("2,4");
});

test("lines that are no examples are told by their numbers, ten of them", async () => {
  const start = "The file of training_file does not fit the method. ";
  expect(await message("2\n\n3\n{")).toMatch(new RegExp(`^${start}line 3: 3 is odd\nline 4: .*JSON.*$`));
  const odd = (count: number) => Array.from({ length: count }, (_, i) => `${2 * i + 1}`).join("\n");
  const nine = await message(odd(9));
  expect(nine.split("\n")).toHaveLength(9);
  expect(nine).not.toContain("were not read");
  for (const count of [10, 11]) {
    const ten = await message(odd(count));
    expect(ten.split("\n").slice(-2)).toEqual(["line 10: 19 is odd", "The lines after these were not read."]);
    expect(ten.split("\n")).toHaveLength(11);
  }
  expect(await message("\n")).toBe(`${start}it holds no example`);
});

test("the refusal names the file of the order", async () => {
  await writeFile(join(folder, "v.jsonl"), "");
  const refused = readExamples(join(folder, "v.jsonl"), tokenizer, even, "validation_file");
  await expect(refused).rejects.toMatchObject({
    message: expect.stringContaining("The file of validation_file does not fit the method"),
  });
});

test("a comparison has texts, or messages by OpenAI's names", async () => {
  const pair = await readPreference(tokenizer, { prompt: "a", chosen: "b", rejected: "c" });
  expect([pair.chosen.inputIds[0], pair.rejected.inputIds[1]]).toEqual([97, 99]);
  for (const value of [
    { prompt: "a", chosen: "b" },
    { prompt: "a", chosen: "b", rejected: 1 },
  ]) {
    await expect(readPreference(tokenizer, value)).rejects.toThrow(
      `found keys ${Object.keys(value).join(", ")}; a comparison`,
    );
  }
  await expect(readPreference(tokenizer, null)).rejects.toThrow("found keys (none); a comparison is");
  await expect(readPreference(tokenizer, { input: {} })).rejects.toThrow("input");
});

test("options of jobs have limits by memory and disk", () => {
  expect(parseTrainOptions({ "batch-size": 256, accumulate: 1024, "save-total-limit": 20 })).toMatchObject({
    ...{ batchSize: 256, accumulate: 1024, saveTotalLimit: 20 },
  });
  for (const [name, most] of [
    ["batch-size", 256],
    ["accumulate", 1024],
    ["save-total-limit", 20],
  ] as const) {
    expect(() => parseTrainOptions({ [name]: most + 1 })).toThrow(
      `${name} is ${most + 1}, but jobs allow at most ${most}; give less`,
    );
    expect(() => parseTrainOptions({ [name]: `${most + 1}` })).toThrow("give less");
  }
});

test("options of jobs are those of training; flags are true or false", () => {
  expect(parseTrainOptions({ "gradient-checkpointing": true }).gradientCheckpointing).toBe(true);
  expect(parseTrainOptions({ "gradient-checkpointing": false }).gradientCheckpointing).toBe(undefined);
  expect(() => parseTrainOptions({ output: "x" })).toThrow(
    'there is no option "output" for jobs; there are method, optimizer',
  );
  expect(() => parseTrainOptions({ steps: 0 })).toThrow(/^option '--steps <n>' argument '0' is invalid/);
  expect(() => parseTrainOptions({ method: "full" })).toThrow("method full trains no adapter, so that");
  expect(() => parseTrainOptions({ method: "qlora" })).toThrow(
    "method qlora trains on a copy of the base weights, next to a model in 4 bits",
  );
  expect(() => parseTrainOptions({ method: "prefix" })).toThrow("method prefix puts virtual tokens before all rows");
  expect(() => parseTrainOptions({ method: "ia3", r: 4 })).toThrow("--r is no option of ia3");
});
