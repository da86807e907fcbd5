import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { memoryFiles } from "@lowrank/files";
import { sharedPath } from "@lowrank/test-support/folders";
import { expect, test } from "vitest";
import { loadDataset } from "./loadDataset.ts";

const data = sharedPath("data", "data sets from disk");

test("a file on disk, with its path in errors", async () => {
  const folder = await mkdtemp(join(tmpdir(), "lowrank-"));
  try {
    const path = join(folder, "x.jsonl");
    await writeFile(path, '{"text": "é"}\n{"text": 1}\n');
    await expect(loadDataset(path)).rejects.toThrow(`${path}:2: text is 1`);
    await writeFile(path, '{"text": "é"}\n');
    expect(await loadDataset(path)).toEqual([{ text: "é" }]);
    await expect(loadDataset(join(folder, "none"))).rejects.toThrow("none");
  } finally {
    await rm(folder, { recursive: true });
  }
});

test.each(["snappy", "zstd"])("a Parquet file, of pyarrow, in %s", async (codec) => {
  const turns = (q: string, a: string) => ({
    messages: [
      { role: "user", content: q },
      { role: "assistant", content: a },
    ],
  });
  const path = join(import.meta.dirname, `../testing/chats.${codec}.parquet`);
  expect(await loadDataset(path)).toEqual([turns("hi", "hello"), turns("é?", "yes"), turns("c", "d")]);
  await expect(loadDataset(path, { columns: { text: "id" } })).rejects.toThrow("row 1: text is");
});

test.each<[string, string, string]>([
  ["\x02id", "\x02it", "its row group 0 has the columns id, messages.list.element.content"],
  ["\x02id", "\x02\xffd", "has the columns id, messages.list"],
])(
  "a Parquet file whose schema lies (%j, now %j): one error, and none that nobody handles",
  async (from, to, message) => {
    const name = "chats.snappy.parquet";
    const good = await readFile(join(import.meta.dirname, "../testing", name), "latin1");
    // The first occurrence of the name is in the schema; each column chunk also contains it.
    const bytes = Buffer.from(good.replace(from, to), "latin1");
    await expect(loadDataset(name, { files: memoryFiles({ [name]: bytes }) })).rejects.toThrow(message);
  },
);

test("noise in the pages of a Parquet file gives an error that names it, wherever it stands", async () => {
  const name = "chats.snappy.parquet";
  const bytes = await readFile(join(import.meta.dirname, "../testing", name));
  const messages: string[] = [];
  for (let at = 4; at < 300; at++) {
    const damaged = Uint8Array.from(bytes);
    damaged.set([0xff, 0xff, 0xff, 0xff], at);
    const reading = loadDataset(name, { files: memoryFiles({ [name]: damaged }) });
    await reading.catch((error: Error) => messages.push(error.message));
  }
  expect(messages.length).toBeGreaterThan(100);
  expect(messages.filter((message) => !message.startsWith(name))).toEqual([]);
});

test("bytes that are not UTF-8 are told with their line", async () => {
  const folder = await mkdtemp(join(tmpdir(), "lowrank-"));
  try {
    const path = join(folder, "x.jsonl");
    const good = new TextEncoder().encode('{"text": "é"}\n{"text": "b"}\n');
    const bad = Uint8Array.of(...good, ...new TextEncoder().encode('{"text": "'), 0xe9, 0x22, 0x7d, 0x0a);
    await writeFile(path, bad);
    await expect(loadDataset(path)).rejects.toThrow(`${path}:3: not UTF-8 text; save the file as UTF-8`);
    await writeFile(path, good.subarray(0, 11));
    await expect(loadDataset(path)).rejects.toThrow(`${path}:1: not UTF-8 text`);
    await writeFile(join(folder, "x.parquet"), good);
    await expect(loadDataset(join(folder, "x.parquet"))).rejects.toThrow("x.parquet is no Parquet file");
  } finally {
    await rm(folder, { recursive: true });
  }
});

test.skipIf(!data)("real files: text, JSONL and an array", async () => {
  const [shakespeare] = await loadDataset(join(data as string, "tinyshakespeare.txt"));
  expect("text" in shakespeare && shakespeare.text.length).toBe(1115394);
  const map = (record: unknown) => {
    const { question, answer } = record as Record<string, string>;
    return { prompt: question, completion: answer };
  };
  expect(await loadDataset(join(data as string, "gsm8k_test.jsonl"), { map })).toHaveLength(1319);
  const instructions = await loadDataset(join(data as string, "instruction-data.json"));
  expect(instructions[2]).toMatchObject({ messages: [{ content: "Convert 45 kilometers to meters." }, {}] });
  const columns = { text: "text" };
  expect(await loadDataset(join(data as string, "banking77_test.csv"), { columns })).toHaveLength(3080);
  const fables = await loadDataset(join(data as string, "aesop_fables.json"));
  expect(fables[0]).toHaveProperty("text", expect.stringContaining("A cock was once strutting"));
});
