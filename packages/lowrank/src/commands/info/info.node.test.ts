import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
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

test("the tensors of the files are counted by dtype, the largest first", async () => {
  const folder = join(temporary, "types");
  await mkdir(folder);
  const sizes = { vocab_size: 4, n_positions: 2, n_layer: 1, n_embd: 4, n_head: 1 };
  await writeFile(join(folder, "config.json"), JSON.stringify({ model_type: "gpt2", ...sizes }));
  const header = Object.entries({ a: ["F16", 2], b: ["F32", 8], c: ["F16", 4], d: ["BF16", 4] });
  let at = 0;
  const entries = header.map(([name, [dtype, bytes]]) => {
    const begin = at;
    at += bytes as number;
    const shape = [(bytes as number) / (dtype === "F32" ? 4 : 2)];
    return [name, { dtype, shape, data_offsets: [begin, at] }];
  });
  const json = JSON.stringify(Object.fromEntries(entries));
  const length = new BigUint64Array([BigInt(json.length)]);
  const file = Buffer.concat([Buffer.from(length.buffer), Buffer.from(json), Buffer.alloc(at)]);
  await writeFile(join(folder, "model.safetensors"), file);
  expect(JSON.parse((await info(folder, "--json")).stdout).stored).toEqual([
    { dtype: "f32", tensors: 1, bytes: 8 },
    { dtype: "f16", tensors: 2, bytes: 6 },
    { dtype: "bf16", tensors: 1, bytes: 4 },
  ]);
  await writeFile(join(folder, "tokenizer_config.json"), '{"chat_template": null}');
  expect((await info(folder)).stdout).toContain("chat template  none\n");
  await writeFile(join(folder, "chat_template.jinja"), "");
  const { stdout } = await info(folder);
  expect(stdout).toContain("chat template  yes\n");
  // Two embeddings of 4 and 2 rows, a block of 12 x 4 x 4 weights and 13 x 4 other values, and the last norm.
  const parameters = 4 * 4 + 2 * 4 + 12 * 16 + 13 * 4 + 2 * 4;
  expect(stdout).toContain(`: gpt2, ${parameters} parameters\n`);
  expect(stdout).toContain("in memory      f32 0.0 MB, f16 or bf16 0.0 MB\nin the files   f32 0.0 MB, 1 tensors\n");
});

test("a name that is none is an error with the nearest one", async () => {
  const { code, stderr } = await info("llama-3.2-1");
  expect(code).toBe(1);
  expect(stderr).toContain("did you mean llama-3.2-1b?");
});
