import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { sharedPath } from "../../../../scripts/sharedFolder.ts";
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

test.skipIf(!data)("real files: text, JSONL and an array", async () => {
  const [shakespeare] = await loadDataset(join(data as string, "tinyshakespeare.txt"));
  expect("text" in shakespeare && shakespeare.text.length).toBe(1115394);
  const map = (record: unknown) => {
    const { question, answer } = record as Record<string, string>;
    return { prompt: question, completion: answer };
  };
  expect(await loadDataset(join(data as string, "gsm8k_test.jsonl"), { map })).toHaveLength(1319);
  const fables = await loadDataset(join(data as string, "aesop_fables.json"));
  expect(fables[0]).toHaveProperty("text", expect.stringContaining("A cock was once strutting"));
});
