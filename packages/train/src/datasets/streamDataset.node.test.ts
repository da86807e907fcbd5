import { rmSync } from "node:fs";
import { mkdtemp, readdir, rm, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { init, reference } from "@lowrank/core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { packExamples } from "../data/packing/packExamples.ts";
import { type ExampleTokenizer, type TokenizedExample, tokenizeExample } from "../data/tokens/tokenize.ts";
import type { TrainerOptions } from "../options/trainerOptions.ts";
import { tinyLlama } from "../testing/tinyRun.ts";
import { Trainer } from "../trainer/trainer.ts";
import { concatenateDatasets, packDataset, takeExamples } from "./datasetViews.ts";
import { loadDataset } from "./loadDataset.ts";
import { exampleForm } from "./recordReader.ts";
import { indexDataset, streamDataset } from "./streamDataset.ts";

let folder: string;
let cacheDir: string;
beforeAll(async () => {
  await init(reference());
  folder = await mkdtemp(join(tmpdir(), "lowrank-stream-"));
});
afterAll(() => rm(folder, { recursive: true }));

let tokenized = 0;
/** Characters are tokens from 1 to 9; 10 is the end-of-sequence token. */
const tokenizer: ExampleTokenizer = {
  eosTokenId: 10,
  encode: (text) => {
    tokenized++;
    return Array.from(text, (c) => 1 + ((c.codePointAt(0) as number) % 9));
  },
  applyChatTemplate: (messages) => messages.map(({ content }) => content).join(" "),
};

const texts = Array.from({ length: 23 }, (_, i) => "abcdefghijk".slice(0, 1 + ((i * 7) % 11)) + (i % 3 ? "" : "é\n"));
const json = texts.map((text) => JSON.stringify({ text }));
const files: Record<string, string> = {
  "x.jsonl": `\uFEFF${json.join("\r\n\n")}`,
  "x.json": `[\n${json.join(",\n")}\n]`,
  "x.csv": `n,text\r\n${texts.map((text, i) => `${i},"${text}"`).join("\r\n")}\r\n`,
};

async function written(name: string, content: string = files[name]): Promise<string> {
  cacheDir = await mkdtemp(join(folder, "cache-"));
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}

const columns = { text: "text" };
const all = (length: number) => Array.from({ length }, (_, i) => i);

/** Returns the examples of a file, all in memory. */
async function listed(path: string): Promise<TokenizedExample[]> {
  const examples = await loadDataset(path, { columns });
  return Promise.all(examples.map((example) => tokenizeExample(tokenizer, example)));
}

describe("examples are those of loadDataset", () => {
  test.each(Object.keys(files))("%s", async (name) => {
    const path = await written(name);
    const stream = await streamDataset(path, tokenizer, { cacheDir, columns });
    const list = await listed(path);
    expect(await stream.read(all(stream.length))).toEqual(list);
    expect(await stream.read([3, 0, 3])).toEqual([list[3], list[0], list[3]]);
    const counted = await streamDataset(path, tokenizer, { cacheDir, columns, countTokens: true });
    expect([...(counted.lengths as Uint32Array)]).toEqual(list.map(({ inputIds }) => inputIds.length));
    expect(counted.digest).not.toBe(stream.digest);
  });

  test("a Parquet file, whose rows are written as lines once", async () => {
    const path = join(import.meta.dirname, "../testing/chats.zstd.parquet");
    await written("x.jsonl");
    const stream = await streamDataset(path, tokenizer, { cacheDir });
    const list = await Promise.all((await loadDataset(path)).map((example) => tokenizeExample(tokenizer, example)));
    expect(await stream.read(all(stream.length))).toEqual(list);
    expect((await readdir(cacheDir)).filter((file) => file.includes(".part"))).toEqual([]);
    await expect(streamDataset(path, tokenizer, { cacheDir, columns: { text: "id" } })).rejects.toThrow(": text is");
  });
});

describe("the index", () => {
  test("is built once, and anew for another file; a new time alone costs a checksum", async () => {
    const path = await written("x.jsonl");
    const open = () => streamDataset(path, tokenizer, { cacheDir, countTokens: true });
    const countOf = async () => {
      tokenized = 0;
      const { digest } = await open();
      return { isBuilt: tokenized > texts.length, digest };
    };
    const first = await countOf();
    expect(first.isBuilt).toBe(true);
    expect(await countOf()).toEqual({ ...first, isBuilt: false });
    await utimes(path, 1, 1);
    expect(await countOf()).toEqual({ ...first, isBuilt: false });
    await writeFile(path, files["x.jsonl"].replace('"a', '"b'));
    const other = await countOf();
    expect(other.isBuilt).toBe(true);
    expect(other.digest).not.toBe(first.digest);
    const [name] = await readdir(cacheDir);
    const { size } = await stat(join(cacheDir, name));
    await writeFile(join(cacheDir, name), Buffer.alloc(size - 1, 10));
    expect((await countOf()).isBuilt).toBe(true);
  });

  test("a file that changes behind it is an error, not another example", async () => {
    const path = await written("x.jsonl");
    const stream = await streamDataset(path, tokenizer, { cacheDir });
    await writeFile(path, files["x.jsonl"].slice(5));
    await expect(stream.read(all(5))).rejects.toThrow(`${path}, byte 3: the file has changed since it was indexed`);
  });

  test("bad records are errors with their line, or are skipped and counted", async () => {
    const lines = [json[0], '{"text": 1}', json[1], "{", '{"messages": [{"role": "user", "content": "x"}]}'];
    const path = await written("x.jsonl", lines.join("\n"));
    await expect(streamDataset(path, tokenizer, { cacheDir })).rejects.toThrow(`${path}:2: text is 1`);
    expect(await readdir(cacheDir)).toEqual([]);
    const stream = await streamDataset(path, tokenizer, { cacheDir, onBadRecord: "skip" });
    expect(stream).toMatchObject({ length: 2, skipped: 3 });
    expect(stream.told[2]).toBe(`${path}:5: a conversation without an assistant turn has nothing to learn`);
    await written("x.jsonl", '{"text": ""}\n');
    await expect(streamDataset(path, tokenizer, { cacheDir, onBadRecord: "skip" })).rejects.toThrow(
      "all records are invalid",
    );
  });
});

describe("a training", () => {
  const options: TrainerOptions = { learningRate: 3e-2, batchSize: 3, maxSteps: 9, padTokenId: 0, maxLength: 12 };
  const weights = (model: ReturnType<typeof tinyLlama>) => [...model.parameters()].map((p) => p.dataSync());

  test("has the numbers of one in memory", async () => {
    const path = await written("x.jsonl");
    const [model, other] = [tinyLlama(), tinyLlama()];
    const stream = await streamDataset(path, tokenizer, { cacheDir });
    const { losses } = await new Trainer(model, stream, options).train();
    expect(losses).toEqual((await new Trainer(other, await listed(path), options).train()).losses);
    expect(weights(model)).toEqual(weights(other));
  });

  test("by length resumes in the middle of an epoch, to the bit, and refuses another file", async () => {
    const path = await written("x.jsonl");
    const open = () => streamDataset(path, tokenizer, { cacheDir });
    const checkpoints = { folder: join(folder, "run"), every: 5 };
    const grouped = { ...options, groupByLength: true };
    const whole = tinyLlama();
    const { losses } = await new Trainer(whole, await open(), { ...grouped, checkpoints }).train();
    const resumed = tinyLlama();
    const trainer = new Trainer(resumed, await open(), grouped);
    // An epoch has eight batches.
    expect(await trainer.resume(join(folder, "run/checkpoint-5"))).toBe(5);
    expect((await trainer.train()).losses).toEqual(losses.slice(5));
    expect(weights(resumed)).toEqual(weights(whole));
    await writeFile(path, files["x.jsonl"].replace('"a', '"b'));
    const changed = new Trainer(tinyLlama(), await open(), grouped);
    await expect(changed.resume(join(folder, "run/checkpoint-5"))).rejects.toThrow("examples");
  });
});

test("parts, several files and blocks", async () => {
  const path = await written("x.jsonl");
  const stream = await streamDataset(path, tokenizer, { cacheDir, countTokens: true });
  const list = await listed(path);
  const part = takeExamples(stream, 4, 9);
  expect(await part.read(all(part.length))).toEqual(list.slice(4, 9));
  const both = concatenateDatasets([part, takeExamples(stream, 0, 2)]);
  expect(both).toMatchObject({
    length: 7,
    lengths: Uint32Array.from([...list.slice(4, 9), ...list.slice(0, 2)], (e) => e.inputIds.length),
  });
  expect(await both.read([6, 0, 5])).toEqual([list[1], list[4], list[0]]);
  const blocks = packDataset(stream, 16);
  const expected = packExamples(list, { blockSize: 16 });
  expect(await blocks.read(all(blocks.length))).toEqual(expected);
  expect([...(blocks.lengths as Uint32Array)]).toEqual(expected.map(({ inputIds }) => inputIds.length));
});

describe("an index", () => {
  test("is of one kind of records, and building it reports the bytes read", async () => {
    const path = await written("x.jsonl");
    const form = { name: "other", parse: ({ value }: { value: unknown }) => value };
    const progress: { loaded: number; total: number }[] = [];
    const onProgress = (report: { loaded: number; total: number }) => progress.push(report);
    await indexDataset(path, { cacheDir, onProgress });
    const { size } = await stat(path);
    expect(progress).toEqual([{ loaded: size, total: size }]);
    expect(await readdir(cacheDir)).toHaveLength(1);
    await indexDataset(path, { cacheDir, form, onProgress });
    expect(await readdir(cacheDir)).toHaveLength(2);
    await indexDataset(path, { cacheDir, onProgress });
    await indexDataset(path, { cacheDir, form: exampleForm, onProgress });
    expect(await readdir(cacheDir)).toHaveLength(2);
    expect(progress).toHaveLength(2);
    await indexDataset(path, { cacheDir, form: { ...form, name: "third" } });
    expect(await readdir(cacheDir)).toHaveLength(3);
  });

  test("of a Parquet file is not written if a record is bad, even if the folder is gone", async () => {
    const cache = await mkdtemp(join(folder, "cache-"));
    const form = {
      name: "failing",
      parse: () => {
        rmSync(cache, { recursive: true });
        throw new Error("no such record");
      },
    };
    const path = join(import.meta.dirname, "../testing/chats.snappy.parquet");
    await expect(indexDataset(path, { cacheDir: cache, form })).rejects.toThrow("no such record");
  });
});
