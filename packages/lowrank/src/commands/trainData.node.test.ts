import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadModel } from "@lowrank/models";
import { nanoModelFolder } from "@lowrank/nano";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { readTrainData } from "./trainData.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lowrank-data-"));
});
afterAll(() => rm(folder, { recursive: true }));

const tokenizer = (await loadModel(nanoModelFolder)).tokenizer as NonNullable<
  Awaited<ReturnType<typeof loadModel>>["tokenizer"]
>;
const common = { validationFraction: 0, blockSize: 16 };

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
