import { mkdtemp, readdir, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { folderFiles } from "@lowrank/files";
import { Tokenizer } from "@lowrank/models";
import { nanoModelFolder } from "@lowrank/nano";
import { exampleReader } from "@lowrank/train/internal";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { indexTrainData, isStreamed, type OpenDataOptions, openRecordData, openTrainData } from "./openTrainData.ts";
import { bosOf, split, startingWithin } from "./trainData.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lowrank-open-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const tokenizer = await Tokenizer.fromFiles(await folderFiles(nanoModelFolder));
const reader = exampleReader(tokenizer);
async function records(count: number, name = `${count}.jsonl`): Promise<string> {
  const path = join(folder, name);
  const lines = Array.from({ length: count }, (_, i) => JSON.stringify({ text: `a = ${i % 7}` }));
  await writeFile(path, lines.join("\n"));
  return path;
}
const options = (data: string, more: Partial<OpenDataOptions> = {}): OpenDataOptions => ({
  ...{ validationFraction: 0, blockSize: 16, batchSize: 8, data: [data], dataCache: join(folder, "cache"), ...more },
});
const lengths = async (count: number, more: Partial<OpenDataOptions>) => {
  const { train, validation, first } = await openTrainData(tokenizer, options(await records(count), more));
  return [train.length, validation.length, first.length];
};

test.each([true, false])("the last part of the data validates (streamed: %s)", async (stream) => {
  expect(await lengths(12, { stream, validationFraction: 0.25 })).toEqual([9, 3, 9]);
  // The remaining examples are used for training.
  expect(await lengths(10, { stream, validationFraction: 0.25 })).toEqual([8, 2, 8]);
  expect(await lengths(10, { stream })).toEqual([10, 0, 10]);
});

test("of data on disk 256 examples are looked at before", async () => {
  expect(await lengths(257, { stream: true })).toEqual([257, 0, 256]);
});

test.each([true, false])("a file of its own validates, and tokens are limited (streamed: %s)", async (stream) => {
  const data = await records(6);
  const validation = await records(5);
  const one = tokenizer.encode("a = 0").length + 1;
  const open = async (more: object) => {
    const found = await openTrainData(tokenizer, options(data, { stream, validation, ...more }));
    return [found.train.length, found.validation.length];
  };
  expect(await open({})).toEqual([6, 5]);
  // An example that starts within the limit is used completely.
  expect(await open({ trainTokens: one, validationTokens: one + 1 })).toEqual([1, 2]);
  expect(await open({ trainTokens: one + 1, validationTokens: 1 })).toEqual([2, 1]);
  expect(await open({ trainTokens: 1000 })).toEqual([6, 5]);
});

test("files of more than 64 MB in all are streamed, unless the option decides", async () => {
  const sized = async (name: string, bytes: number) => {
    const path = join(folder, name);
    await writeFile(path, "");
    await truncate(path, bytes);
    return path;
  };
  const [half, rest, more] = [await sized("half", 32e6), await sized("rest", 32e6), await sized("more", 32e6 + 1)];
  const streamed = (data: string[], stream?: boolean) => isStreamed({ ...options(""), data, stream });
  expect(await streamed([half, rest])).toBe(false);
  expect(await streamed([half, more])).toBe(true);
  expect(await streamed([half, rest, join(folder, "none")])).toBe(false);
  expect(await streamed([half, more, "https://example.org/a.jsonl"])).toBe(false);
  expect([await streamed([half, more], false), await streamed([half], true)]).toEqual([false, true]);
});

test("at most 1000 examples of data on disk validate, and the index is in the user's cache", async () => {
  const told = vi.spyOn(console, "error").mockImplementation(() => {});
  vi.stubEnv("XDG_CACHE_HOME", join(folder, "xdg"));
  const found = await lengths(2004, { stream: true, validationFraction: 0.5, dataCache: undefined });
  vi.unstubAllEnvs();
  expect(found).toEqual([1004, 1000, 256]);
  expect(await readdir(join(folder, "xdg/lowrank/datasets"))).toHaveLength(1);
  expect(told).not.toHaveBeenCalled();
  told.mockRestore();
});

test("one example is enough to train on, and none are too few", async () => {
  const told = vi.spyOn(console, "error").mockImplementation(() => {});
  const one = await records(1);
  const bad = join(folder, "bad.jsonl");
  await writeFile(bad, '{"text": 1}');
  for (const stream of [true, false]) {
    const open = async (path: string) => {
      const found = await openRecordData(tokenizer, reader, options(path, { stream, onBadRecord: "skip" }), "pairs");
      return [found.train.length, found.validation.length, found.first.length];
    };
    expect(await open(one)).toEqual([1, 0, 1]);
    await expect(open(bad)).rejects.toThrow(/all (1 )?records are invalid/);
  }
  told.mockRestore();
});

test("an index is built before a run for records alone, if no tokens are counted", async () => {
  const cache = join(folder, "no index");
  const record = await records(2);
  const text = join(folder, "index.txt");
  await writeFile(text, "a = 1");
  for (const more of [
    { stream: false },
    { pack: true },
    { trainTokens: 1 },
    { validationTokens: 1 },
    { data: [text] },
  ]) {
    await indexTrainData({ ...options(record, { stream: true, dataCache: cache }), ...more }, "sft", []);
  }
  expect(await readdir(folder)).not.toContain("no index");
});

test("the description counts tokens and examples", async () => {
  const data = await records(4);
  const one = tokenizer.encode("a = 0").length + 1;
  const streamed = await openTrainData(tokenizer, options(data, { stream: true, validationFraction: 0.5 }));
  expect(streamed.description).toBe(
    `2 examples to train on, read from disk when they are wanted, ${2 * one} tokens in 2 to validate`,
  );
  const listed = await openRecordData(tokenizer, reader, options(data, { validationFraction: 0.5 }), "pairs");
  expect(listed.description).toBe(`${2 * one} tokens in 2 pairs to train on, ${2 * one} tokens in 2 pairs to validate`);
  const packed = await openTrainData(tokenizer, options(data, { stream: true, pack: true, blockSize: 64 }));
  expect(packed.description).toContain("1 blocks of 64 to train on");
});

test("records of a task are divided and limited as others are", async () => {
  const data = await records(10);
  const one = tokenizer.encode("a = 0").length + 1;
  for (const stream of [true, false]) {
    const open = async (more: object) => {
      const found = await openRecordData(tokenizer, reader, options(data, { stream, ...more }), "pairs");
      return [found.train.length, found.validation.length];
    };
    expect(await open({ validationFraction: 0.25 })).toEqual([8, 2]);
    expect(await open({ validation: await records(3) })).toEqual([10, 3]);
    expect(await open({ trainTokens: one + 1, validationTokens: one, validationFraction: 0.5 })).toEqual([2, 1]);
  }
});

test("data that cannot be read so are refused by name", async () => {
  const text = join(folder, "a.txt");
  await writeFile(text, "a = 1\n");
  await expect(openRecordData(tokenizer, reader, options(text), "pairs")).rejects.toThrow(
    `--data ${text} is plain text; this --task needs records: .jsonl, .json, .csv, .tsv or .parquet`,
  );
  for (const stream of [true, false]) {
    await expect(openTrainData(tokenizer, options(text, { stream, columns: { text: "t" } }))).rejects.toThrow(
      "--columns is for",
    );
  }
  const empty = join(folder, "empty.jsonl");
  await writeFile(empty, "");
  await expect(openTrainData(tokenizer, options(empty))).rejects.toThrow("holds no example");
  await expect(openRecordData(tokenizer, reader, options(empty), "pairs")).rejects.toThrow("holds no example");
  await expect(openTrainData(tokenizer, options(folder))).rejects.toThrow(
    `${folder} is a folder; give the files in it`,
  );
  const none = join(folder, "none.jsonl");
  await expect(openTrainData(tokenizer, options(none))).rejects.toThrow(`there is no file ${none}`);
});

test("parts of lists", () => {
  expect(split([1, 2, 3, 4], 0.5)).toEqual([
    [1, 2],
    [3, 4],
  ]);
  expect(split([1, 2, 3], 0.5)).toEqual([[1, 2], [3]]);
  expect(split([1, 2, 3], 1)).toEqual([[1, 2, 3], []]);
  const within = (tokens: number) => startingWithin([2, 3, 4], tokens, (size) => size);
  expect([0, 1, 2, 3, 5, 6].map((tokens) => within(tokens).length)).toEqual([0, 1, 1, 2, 2, 3]);
});

test("a text begins with BOS where the tokenizer adds one", () => {
  const of = (ids: readonly number[], bosTokenId: number | null) => bosOf({ encode: () => ids, bosTokenId } as never);
  expect([of([5], 5), of([], 5), of([4], 5), of([5, 6], 5)]).toEqual([5, null, null, 5]);
});
