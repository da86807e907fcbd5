import { createHash } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { digestFiles, digestModel } from "./fileDigests.ts";
import { runConfigOf } from "./runConfig.ts";

const folder = await mkdtemp(join(tmpdir(), "lowrank-config-"));
afterAll(() => rm(folder, { recursive: true, force: true }));

test("a config has the options that another run needs, with the defaults that were found", async () => {
  const optionsOf = async (options: object, found: object = {}) => {
    const start = {
      options,
      found,
      resolved: { steps: 1 },
      backend: { name: "wasm", threads: 2 },
      data: [],
      model: [],
    };
    return (await runConfigOf(start as never)).options;
  };
  const passing = { resume: "x", allowChanges: true, overwrite: true, dryRun: false };
  expect(await optionsOf({ seed: 0, quiet: false, lr: undefined, ...passing }, { lr: 0.5, maxLength: 8 })).toEqual({
    ...{ seed: 0, quiet: false, lr: 0.5, maxLength: 8 },
  });
  const usual = { epochs: 3, validationFraction: 0.1, samples: 3 };
  expect(await optionsOf(usual)).toEqual(usual);
  const others = { steps: 5, validation: "v.jsonl", samplePrompt: ["a"] };
  expect(await optionsOf({ ...usual, ...others })).toEqual(others);
  expect(await optionsOf({ ...usual, steps: 5 })).toEqual({ steps: 5, validationFraction: 0.1, samples: 3 });
});

test("a config has the machine and the backend", async () => {
  const backend = { name: "wasm", threads: 2, wideSimd: true, build: "b", other: 1 };
  const { processor, ...config } = await runConfigOf({
    ...{ options: {}, found: {}, resolved: { steps: 1 }, backend, data: [], model: [] },
  } as never);
  expect(config).toEqual({
    ...{ lowrank: expect.any(String), node: process.version, platform: `${process.platform} ${process.arch}` },
    ...{ backend: { name: "wasm", adapter: undefined, build: "b", threads: 2, wideSimd: true } },
    ...{ options: {}, resolved: { steps: 1 }, data: [], model: [] },
  });
  expect(processor.model).toBe(cpus()[0].model.trim());
});

test("digests are of files on this disk, and of the files that change a model", async () => {
  const model = join(folder, "model");
  await mkdir(model);
  const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
  const names = ["tokenizer.json", "config.json", "model.safetensors", "README.md", "config.json.bak", "x.gguf"];
  for (const name of names) await writeFile(join(model, name), name);
  const digest = (name: string) => ({ path: join(model, name), bytes: name.length, sha256: sha256(name) });
  expect(await digestModel(model)).toEqual(
    ["config.json", "model.safetensors", "tokenizer.json", "x.gguf"].map(digest),
  );
  expect(await digestModel(join(model, "x.gguf"))).toEqual([digest("x.gguf")]);
  expect([await digestModel("hf://org/name"), await digestModel("https://example.org/m")]).toEqual([[], []]);
  const given = ["https://example.org/a.jsonl", join(model, "README.md")];
  expect(await digestFiles(given)).toEqual([digest("README.md")]);
  await expect(digestFiles([join(folder, "none")])).rejects.toThrow("ENOENT");
});
