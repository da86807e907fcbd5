import { mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { folderFiles, writeFolder } from "@lowrank/files";
import { toGguf, writeGguf } from "@lowrank/models";
import { nanoModelFolder } from "@lowrank/nano";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runCommand } from "../../testing/runCommand.ts";

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lowrank-gguf-"));
  const contents = await toGguf(await folderFiles(nanoModelFolder), { dtype: "q8_0" });
  const untokenized = new Map([...contents.metadata].filter(([key]) => !key.startsWith("tokenizer.")));
  await writeFolder(
    folder,
    new Map([
      ["nano.gguf", writeGguf(contents)],
      ["bare.gguf", writeGguf({ ...contents, metadata: untokenized })],
    ]),
  );
  const pairs = Array.from({ length: 8 }, (_, i) => ({ prompt: `say ${i}\n`, completion: "console.log(1)" }));
  await writeFile(join(folder, "pairs.jsonl"), pairs.map((pair) => JSON.stringify(pair)).join("\n"));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

async function lowrank(words: string): Promise<string> {
  const { code, stdout, stderr } = await runCommand(words.split(" "), { cwd: folder });
  if (code !== 0) throw new Error(stderr);
  return stdout;
}

const train = "train --model nano.gguf --data pairs.jsonl --steps 4 --lr 1e-2 --batch-size 4 --validation-fraction 0";
const generate = "generate --greedy --max-new-tokens 12 --prompt print";

test("train, generate, merge and report take the file as --model", async () => {
  const trained = await lowrank(`${train} --output adapter`);
  expect(trained).toContain("bit-identical");
  const adapted = await lowrank(`${generate} --model nano.gguf --adapter adapter`);
  const merged = await lowrank("merge --model nano.gguf --adapter adapter --output merged --prompt print");
  expect(merged).toContain("greedy tokens are the same");
  expect((await readdir(join(folder, "merged"))).sort()).toEqual([
    "config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
  ]);
  expect(await lowrank(`${generate} --model merged`)).toBe(adapted);
  await expect(lowrank(`${generate} --model merged --weights packed`)).rejects.toThrow(
    "--weights packed needs a GGUF file",
  );
  expect(JSON.parse(await lowrank("report nano.gguf --r 2 --target-modules q_proj --json"))).toMatchObject({
    trainable: 3 * 2 * (128 + 128),
  });
});

test("--weights packed keeps the blocks: the same text, and an adapter trains on them", async () => {
  const trained = await lowrank(`${train} --output on-blocks --weights packed`);
  expect(trained).toContain("bit-identical");
  const asBlocks = await lowrank(`${generate} --model nano.gguf --adapter on-blocks --weights packed`);
  expect(await lowrank(`${generate} --model nano.gguf --adapter on-blocks`)).toBe(asBlocks);
});

test("--activations int8 multiplies packed weights in integers", async () => {
  const model = `${generate} --model nano.gguf --activations int8`;
  expect((await lowrank(`${model} --weights packed`)).trim()).not.toBe("");
  await expect(lowrank(model)).rejects.toThrow("--activations int8 multiplies packed weights");
});

test("--method qlora quantises what the file holds", async () => {
  expect(await lowrank(`${train} --output qlora --method qlora`)).toContain("base model: 21 linear layers in nf4");
});

test("a file without tokenizer, and one that is missing", async () => {
  await expect(lowrank(`${generate} --model bare.gguf`)).rejects.toThrow(
    "bare.gguf has no tokenizer; convert the model",
  );
  await expect(lowrank(`${generate} --model none.gguf`)).rejects.toThrow("has no none.gguf (it holds");
});

test("merge writes a GGUF file in one go, of the type that is asked for", async () => {
  const adapted = await lowrank(`${generate} --model nano.gguf --adapter adapter`);
  const merge = "merge --model nano.gguf --adapter adapter --prompt print";
  expect(await lowrank(`${merge} --output whole.gguf --dtype f32`)).toContain("greedy tokens are the same");
  expect(await lowrank(`${generate} --model whole.gguf`)).toBe(adapted);
  const told = JSON.parse(await lowrank(`${merge} --output small.gguf --dtype q8_0 --json`));
  expect(told).toMatchObject({ output: "small.gguf", dtype: "q8_0", merged: { sameTokens: true } });
  expect(told.written.maxDifference).toBeGreaterThan(told.merged.maxDifference);
  const [whole, small] = await Promise.all(["whole.gguf", "small.gguf"].map((name) => stat(join(folder, name))));
  expect(small.isFile()).toBe(true);
  expect(small.size / whole.size).toBeLessThan(0.4);
  await expect(lowrank(`${merge} --output small.gguf`)).rejects.toThrow("--output small.gguf exists");
  await expect(lowrank(`${merge} --output folder --dtype q8_0`)).rejects.toThrow("--output folder.gguf");
  expect((await readdir(folder)).filter((name) => name.includes(".part"))).toEqual([]);
});

test("convert --json tells what was written", async () => {
  expect(JSON.parse(await lowrank("convert --model nano.gguf --output back --json"))).toMatchObject({
    output: "back",
    dtype: "f32",
  });
});
