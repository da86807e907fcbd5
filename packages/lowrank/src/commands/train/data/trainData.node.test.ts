import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { folderFiles } from "@lowrank/files";
import { Tokenizer } from "@lowrank/models";
import { nanoModelFolder } from "@lowrank/nano";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { indexTrainData, openTrainData } from "./openTrainData.ts";
import { readTrainData, warnOfSkipped } from "./trainData.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lowrank-data-"));
});
afterAll(() => rm(folder, { recursive: true }));

const tokenizer = await Tokenizer.fromFiles(await folderFiles(nanoModelFolder));
const common = { validationFraction: 0, blockSize: 16, batchSize: 8 };

test("bad records are errors, or are left out, counted and told", async () => {
  const path = join(folder, "bad.jsonl");
  const lines = ['{"text": "a = 1"}', "{", '{"text": ""}', '{"text": 3}', '{"text": "b = 2"}', '{"messages": []}'];
  await writeFile(path, lines.join("\n"));
  await expect(readTrainData(tokenizer, { ...common, data: [path] })).rejects.toThrow(`${path}:2: not valid JSON`);
  const told = vi.spyOn(console, "error").mockImplementation(() => {});
  const { train, description } = await readTrainData(tokenizer, { ...common, data: [path], onBadRecord: "skip" });
  expect(train.length).toBe(2);
  expect(description).toContain("in 2 examples");
  expect(told).toHaveBeenCalledExactlyOnceWith(
    expect.stringMatching(
      /^warning: 4 records were skipped: .*bad.jsonl:2: .*bad.jsonl:3: text is empty.*:4: .*; and 1 more$/,
    ),
  );
  told.mockRestore();
});

test("skipped records are counted, with the reasons of the first ones", () => {
  const told = vi.spyOn(console, "error").mockImplementation(() => {});
  const said = (first: readonly string[], count: number) => {
    told.mockClear();
    warnOfSkipped(first, count);
    return told.mock.calls.flat();
  };
  expect(said([], 0)).toEqual([]);
  expect(said(["a"], 1)).toEqual(["warning: 1 record was skipped: a"]);
  expect(said(["a", "b"], 2)).toEqual(["warning: 2 records were skipped: a; b"]);
  expect(said(["a"], 3)).toEqual(["warning: 3 records were skipped: a; and 2 more"]);
  told.mockRestore();
});

test("the description counts the tokens of examples and of blocks", async () => {
  const one = tokenizer.encode("a = 1").length + 1;
  const path = join(folder, "four.jsonl");
  await writeFile(path, '{"text": "a = 1"}\n'.repeat(4));
  const described = async (more: object) =>
    (await readTrainData(tokenizer, { ...common, data: [path], validationFraction: 0.25, ...more })).description;
  expect(await described({})).toBe(`${3 * one} tokens in 3 examples to train on, ${one} in 1 to validate`);
  expect(await described({ pack: true, blockSize: 64 })).toBe(
    `${3 * one} tokens in 1 blocks of 64 to train on, ${one} in 1 to validate`,
  );
  const text = join(folder, "four.txt");
  await writeFile(text, "a = 1\n".repeat(4));
  const { train, description } = await readTrainData(tokenizer, { ...common, data: [text], blockSize: 8 });
  const tokens = train.reduce((sum, { inputIds }) => sum + inputIds.length, 0);
  expect(description).toBe(`${tokens} tokens in ${train.length} blocks of 8 to train on, 0 in 0 to validate`);
});

/** Writes a file of twelve pairs and returns its path. */
async function pairs(): Promise<string> {
  const path = join(folder, "pairs.jsonl");
  const lines = Array.from({ length: 12 }, (_, i) =>
    JSON.stringify({ prompt: `add ${i}`, completion: "1 + 1".repeat(i + 1) }),
  );
  await writeFile(path, lines.join("\n"));
  return path;
}

test("data that are streamed are those in memory: divided, limited, packed", async () => {
  const data = [await pairs()];
  const dataCache = join(folder, "cache");
  const others = [
    {},
    { validationFraction: 0.25 },
    { trainTokens: 60, validationFraction: 0.25, validationTokens: 40 },
    { pack: true, blockSize: 48 },
  ];
  for (const other of others) {
    const options = { ...common, data, ...other };
    const listed = await openTrainData(tokenizer, options);
    const streamed = await openTrainData(tokenizer, { ...options, stream: true, dataCache });
    const all = Uint32Array.from({ length: streamed.train.length }, (_, i) => i);
    if (!("read" in streamed.train)) throw new Error("the data are in memory");
    expect(await streamed.train.read(all)).toEqual(listed.train);
    expect(streamed.first).toEqual(listed.first);
    expect(streamed.validation).toEqual(listed.validation);
    expect(streamed.description).toContain("read from disk when they are wanted");
  }
  const remote = ["https://example.org/x.jsonl"];
  await expect(openTrainData(tokenizer, { ...common, data: remote, stream: true })).rejects.toThrow(
    "--stream needs files on disk; leave it out with",
  );
});

test("texts that are streamed are those in memory", async () => {
  const path = join(folder, "text.txt");
  await writeFile(path, "a = 1\nb = a + 2\n".repeat(40));
  const options = { ...common, data: [path], blockSize: 24 };
  const listed = await openTrainData(tokenizer, options);
  const streamed = await openTrainData(tokenizer, { ...options, stream: true, dataCache: join(folder, "texts") });
  expect(streamed.train.length).toBe(listed.train.length);
  expect(streamed.first).toEqual(listed.train);
});

test("the index is built by a process of its own, whose errors are told", async () => {
  const dataCache = join(folder, "aside");
  const options = { stream: true, dataCache };
  await indexTrainData({ ...options, data: [await pairs()] }, "sft", []);
  expect(await readdir(dataCache)).toEqual([expect.stringMatching(/^pairs\.jsonl-[0-9a-f]{8}\.index$/)]);
  const path = join(folder, "one.jsonl");
  await writeFile(path, '{"text": "a"}\n{"text": 2}\n');
  await expect(indexTrainData({ ...options, data: [path] }, "sft", [])).rejects.toThrow(`${path}:2: text is 2`);
});
