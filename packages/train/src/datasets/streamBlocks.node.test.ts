import { rmSync } from "node:fs";
import { mkdtemp, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { blocks } from "../data/packing/packExamples.ts";
import type { ExampleTokenizer } from "../data/tokens/tokenize.ts";
import { streamBlocks } from "./streamBlocks.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lowrank-blocks-"));
});
afterAll(() => rm(folder, { recursive: true }));

let longest = 0;
const tokenizer: ExampleTokenizer = {
  eosTokenId: null,
  encode: (text) => {
    longest = Math.max(longest, text.length);
    return Array.from(text, (c) => c.codePointAt(0) as number);
  },
  applyChatTemplate: () => "",
};

test("texts of several megabytes have the blocks of the whole, and are tokenised piece by piece, once", async () => {
  const texts = [`\uFEFF${"été, a line\n".repeat(110_000)}`, "b\nc"];
  const paths = texts.map((_, i) => join(folder, `${i}.txt`));
  for (const [i, path] of paths.entries()) await writeFile(path, texts[i]);
  const cacheDir = join(folder, "cache");
  const cut = { blockSize: 100, bosTokenId: 1 };
  const options = { cacheDir, ...cut };
  const stream = await streamBlocks(paths, tokenizer, options);
  expect(longest).toBeLessThan(1_100_000);
  const whole = tokenizer.encode(texts.join("").slice(1));
  const expected = blocks(whole, cut);
  expect(stream.length).toBe(expected.length);
  expect([stream.lengths[0], stream.lengths.at(-1)]).toEqual([100, expected.at(-1)?.inputIds.length]);
  const some = [expected.length - 1, 0, 5000, 12_345];
  expect(await stream.read(some)).toEqual(some.map((i) => expected[i]));
  longest = 0;
  expect((await streamBlocks(paths, tokenizer, options)).digest).toBe(stream.digest);
  expect(longest).toBeLessThan(100);
  await utimes(paths[1], 1, 1);
  expect((await streamBlocks(paths, tokenizer, options)).digest).toBe(stream.digest);
  await writeFile(paths[1], "b\nd");
  expect((await streamBlocks(paths, tokenizer, options)).digest).not.toBe(stream.digest);
  expect((await readdir(cacheDir)).filter((file) => file.endsWith(".part"))).toEqual([]);
});

test("bytes that are not UTF-8 are told with their line, and leave no file", async () => {
  const path = join(folder, "bad.txt");
  await writeFile(path, Buffer.concat([Buffer.from("a\n".repeat(600_000)), Buffer.of(255)]));
  const cacheDir = join(folder, "bad");
  await expect(streamBlocks([path], tokenizer, { cacheDir, blockSize: 8 })).rejects.toThrow(
    `${path}:600001: not UTF-8`,
  );
  expect(await readdir(cacheDir)).toEqual([]);
});

test("an error of the tokenizer is passed on if the folder is gone too", async () => {
  const path = join(folder, "short.txt");
  await writeFile(path, "a text");
  const cacheDir = join(folder, "gone");
  const failing: ExampleTokenizer = {
    ...tokenizer,
    encode: (text) => {
      if (text !== "a text") return [1];
      rmSync(cacheDir, { recursive: true });
      throw new Error("no such word");
    },
  };
  await expect(streamBlocks([path], failing, { cacheDir, blockSize: 8 })).rejects.toThrow("no such word");
});
