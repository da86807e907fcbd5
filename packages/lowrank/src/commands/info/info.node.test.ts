import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { goldenFolder } from "@lowrank/test-support/folders";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runCommand } from "../../testing/runCommand.ts";

let temporary: string;

beforeAll(async () => {
  temporary = await mkdtemp(join(tmpdir(), "lowrank-info-"));
});

afterAll(() => rm(temporary, { recursive: true, force: true }));

const info = (...args: string[]) => runCommand(["info", ...args]);

test("a folder: architecture, sizes, dtypes, and the layers for adapters", async () => {
  const { code, stdout, stderr } = await info(join(goldenFolder, "models", "qwen3"));
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toMatch(/models\/qwen3: qwen3, [\d,]+ parameters\n/);
  expect(stdout).toContain("classes        Qwen3ForCausalLM, Qwen3ForSequenceClassification\n");
  expect(stdout).toMatch(/^in the files {3}f32 0\.1 MB, \d+ tensors$/m);
  expect(stdout).toMatch(/^ {2}q_proj +2 x linear \[\d+, \d+\], by default$/m);
  expect(stdout).toMatch(/^ {2}q_norm +2 x norm \[\d+\]$/m);
  expect(stdout).toContain("chat template  no tokenizer says\n");
});

test("a preset has no files, and --json holds it all", async () => {
  const found = JSON.parse((await info("llama-3.2-1b", "--json")).stdout);
  expect(found).toMatchObject({ modelType: "llama", parameters: 1_235_814_400, stored: [], chatTemplate: null });
  expect(found.memory).toEqual({ f32: 4_943_257_600, half: 2_471_628_800 });
  expect(found.layers).toContainEqual({ name: "down_proj", kind: "linear", shape: [2048, 8192], count: 16 });
  expect(found.defaultTargets).toEqual(["q_proj", "v_proj"]);
});

test("a chat template is found in the tokenizer's config", async () => {
  await writeFile(join(temporary, "config.json"), JSON.stringify({ model_type: "gpt2", n_layer: 1, n_embd: 12 }));
  await writeFile(join(temporary, "tokenizer_config.json"), JSON.stringify({ chat_template: "{{ messages }}" }));
  expect((await info(temporary)).stdout).toContain("chat template  yes\n");
  await writeFile(join(temporary, "tokenizer_config.json"), "{}");
  expect((await info(temporary)).stdout).toContain("chat template  none\n");
});

test("a name that is none is an error with the nearest one", async () => {
  const { code, stderr } = await info("llama-3.2-1");
  expect(code).toBe(1);
  expect(stderr).toContain("did you mean llama-3.2-1b?");
});
