import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { nanoModelFolder } from "@lowrank/nano";
import { goldenFolder } from "@lowrank/test-support/folders";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { MethodComparison, MethodRow } from "../../report/comparison/methodComparison.ts";
import { allMethods } from "../../report/methods.ts";
import { runCommand } from "../../testing/runCommand.ts";

let temporary: string;
const at = (name: string) => join(temporary, name);
const nano = fileURLToPath(nanoModelFolder);
const report = (...args: string[]) => runCommand(["report", ...args]);

beforeAll(async () => {
  temporary = await mkdtemp(join(tmpdir(), "lowrank-report-"));
  const sizes = { hidden_size: 16, intermediate_size: 24, num_hidden_layers: 2, num_attention_heads: 2 };
  const model = { model_type: "llama", vocab_size: 40, ...sizes, attention_bias: true, tie_word_embeddings: true };
  await writeFile(at("config.json"), JSON.stringify({ ...model, torch_dtype: "bfloat16" }));
  const lora = { peft_type: "LORA", target_modules: ["q_proj"], lora_alpha: 8, r: 8 };
  await writeFile(at("lora.json"), JSON.stringify({ ...lora, modules_to_save: ["norm"] }));
  await writeFile(at("ia3.json"), JSON.stringify({ peft_type: "IA3" }));
  const encoder = { model_type: "roberta", vocab_size: 60, hidden_size: 16, intermediate_size: 24 };
  await writeFile(at("roberta.json"), JSON.stringify({ ...encoder, num_hidden_layers: 2, num_attention_heads: 2 }));
  await writeFile(at("cls.json"), JSON.stringify({ ...lora, target_modules: null, task_type: "SEQ_CLS" }));
});

afterAll(() => rm(temporary, { recursive: true, force: true }));

test("a model's name is text in Markdown and in HTML", async () => {
  const named = join(temporary, "<img src=x>*b*");
  await mkdir(named);
  await cp(at("config.json"), join(named, "config.json"));
  const words = [join(named, "config.json"), "--methods", "lora,ia3", "--format"];
  expect((await report(...words, "markdown")).stdout).toMatch(/^\\<img src=x\\>\\\*b\\\*: llama, /);
  expect((await report(...words, "html")).stdout).not.toContain("<img");
});

describe("one adapter", () => {
  // PEFT 0.21.2 wrote a file of 3304 bytes for this model in bf16, and counted these parameters.
  test("from its adapter_config.json, over the dtype that the model's config says", async () => {
    const { stdout, stderr } = await report(at("config.json"), "--peft-config", at("lora.json"), "--json");
    expect(stderr).toBe("");
    expect(JSON.parse(stdout)).toMatchObject({
      ...{ peftType: "LORA", trainable: 592, total: 5792, all: 5792, percent: (100 * 592) / 5792, bytesSaved: 3304 },
      ...{ bytesTrained: 4 * 592, optimizerBytes: 8 * 592, base: 5200, baseBytes: 2 * 5200, dtype: "bf16" },
      ...{ mergeable: true, inference: { parameters: 512, flopsPerToken: 1024 } },
      matched: ["model.layers.0.self_attn.q_proj", "model.layers.1.self_attn.q_proj"],
    });
    const wide = await report(at("config.json"), "--peft-config", at("lora.json"), "--json", "--dtype", "f32");
    expect(JSON.parse(wide.stdout).bytesSaved).toBe(3456);
  });

  test("in words, on a preset", async () => {
    const { stdout } = await report("llama-7b", "--r", "8", "--target-modules", "q_proj,v_proj");
    expect(stdout.split("\n")).toEqual([
      "adapter on 64 modules: 32 q_proj, 32 v_proj",
      "trainable params: 4,194,304 || all params: 6,742,609,920 || trainable%: 0.0622",
      "file: 16,794,200 bytes (16.8 MB), for a base in f32",
      "training: 16.8 MB of trained parameters, 33.6 MB of optimiser state",
      expect.stringMatching(
        /^memory of a training step: [\d.]+ GB, with 27\.0 GB of base and [\d.]+ GB of activations$/,
      ),
      "inference, unmerged: 4,194,304 parameters, 8,388,608 FLOPs per token (0.06284 %) more; merged: nothing more",
      "",
    ]);
  });

  test("on a classifier, whose head trains too", async () => {
    const { stdout } = await report(at("roberta.json"), "--peft-config", at("cls.json"), "--json");
    const { trainable, matched, inference } = JSON.parse(stdout);
    const head = 16 * 16 + 16 + 2 * 16 + 2;
    expect({ trainable, matched: matched.length }).toEqual({ trainable: 4 * 8 * 32 + head, matched: 4 });
    expect(inference.parameters).toBe(4 * 8 * 32);
  });

  // PEFT 0.21.2's counts for RobertaForSequenceClassification with PEFT's LoRA on queries
  // and values: head 592,130.
  test("on presets, which get a head for an adapter that wants one", async () => {
    const { stdout } = await report("roberta-base", "--peft-config", at("cls.json"), "--json");
    expect(JSON.parse(stdout)).toMatchObject({
      trainable: 294_912 + 592_130,
      total: 125_534_212,
      bytesSaved: 3_555_504,
    });
    const llama = await report("llama-7b", "--peft-config", at("cls.json"), "--json");
    expect(JSON.parse(llama.stdout)).toMatchObject({
      trainable: 4_194_304 + 2 * 4096,
      inference: { flopsPerToken: 2 * 4_194_304 },
    });
    const deberta = await report("deberta-v2-xxlarge", "--peft-config", at("cls.json"), "--json");
    // 48 layers of two products of rank 8, and a classifier of two labels.
    expect(JSON.parse(deberta.stdout).trainable).toBe(48 * 2 * 8 * 3072 + 2 * 1536 + 2);
    expect(deberta.stderr).toBe("");
  });
});

test("an adapter on disk, of a decoder and of a classifier", async () => {
  const index: { base: string; method: string; trainable: number; all: number; adapter_bytes: number }[] = JSON.parse(
    await readFile(join(goldenFolder, "adapters/index.json"), "utf8"),
  );
  for (const [base, method] of [
    ["llama", "lora"],
    ["llama", "p-tuning"],
    ["bert-cls", "dora"],
  ]) {
    const model = join(goldenFolder, "models", base);
    const { stdout, stderr } = await report(model, "--adapter", join(goldenFolder, "adapters", base, method), "--json");
    const wanted = index.find((entry) => entry.base === base && entry.method === method);
    expect(stdout, `${base}/${method}: ${stderr}`).not.toBe("");
    expect(JSON.parse(stdout)).toMatchObject({
      ...{ trainable: wanted?.trainable, total: wanted?.all, bytesSaved: wanted?.adapter_bytes },
    });
  }
});

describe("methods side by side", () => {
  test("all of them on the embedded model, each with a row", async () => {
    const { stdout } = await report(nano, "--format", "json");
    const { rows, failed }: MethodComparison = JSON.parse(stdout);
    // VB-LoRA's vectors of 256 values do not divide its sizes, and the model has no biases.
    expect(failed.map(({ name }) => name)).toEqual(["VB-LoRA", "BitFit"]);
    const titles = allMethods().map(({ title }) => title);
    expect(rows.map(({ name }) => name)).toEqual(titles.filter((title) => !["VB-LoRA", "BitFit"].includes(title)));
    const lora = rows.find(({ name }) => name === "LoRA") as MethodRow;
    expect(lora.flopsPerToken).toBe(2 * lora.trainable);
    expect(rows.every(({ trainingBytes, baseBytes }) => Number(trainingBytes) > baseBytes)).toBe(true);
  });

  test("as CSV and Markdown, of the methods that are asked for", async () => {
    const { stdout: csv } = await report("gpt2", "--methods", "full,ia3", "--format", "csv");
    const [head, full, ia3] = csv.split("\n").map((line) => line.split(","));
    const cell = (row: string[], key: string) => row[head.indexOf(key)];
    expect([cell(full, "trainable"), cell(full, "percent")]).toEqual(["124439808", "100"]);
    expect([cell(ia3, "name"), cell(ia3, "mergeable")]).toEqual(["(IA)³", "yes"]);
    const { stdout: markdown } = await report("gpt2", "--methods", "full,ia3", "--format", "markdown");
    expect(markdown).toContain("| full fine-tuning | 124,439,808 | 100 |");
  });

  test("from several files, as a page of its own with charts", async () => {
    const page = at("page.html");
    const files = ["--peft-config", at("lora.json"), at("ia3.json")];
    const { stderr } = await report(at("config.json"), ...files, "--output", page);
    expect(stderr).toBe(`wrote ${page}\n`);
    const html = await readFile(page, "utf8");
    expect(html.match(/<svg /g)).toHaveLength(4);
    expect(html.match(/<tr>/g)).toHaveLength(3);
    expect(html).not.toMatch(/ src=|<link|https?:/);
  });

  test("name rank and targets as --help does, and are sorted as asked", async () => {
    const { stdout } = await report("gpt2", "--methods", "lora,ia3,dora", "--sort", "trainable");
    expect(stdout.split("\n")[0]).toContain("rank 8, targets all-linear, 20 virtual tokens");
    const help = (await report("--help")).stdout.replaceAll(/\s+/g, " ");
    expect(help).toContain("runs its recipe with rank 8, targets all-linear and 20 virtual tokens");
    expect(help).toMatch(/--r <n> rank [^)]*default: 8 with lora/);
    expect(stdout.match(/^(LoRA|\(IA\)³|DoRA) /gm)).toEqual(["(IA)³ ", "LoRA ", "DoRA "]);
    const named = await report(
      "gpt2",
      "--methods",
      "lora",
      "--r",
      "4",
      "--target-modules",
      "c_attn",
      "--format",
      "json",
    );
    expect(JSON.parse(named.stdout)).toMatchObject({ settings: { ranks: [4], targets: [["c_attn"]] } });
  });

  test("each method with targets uses those that are named", async () => {
    const counts = async (...more: string[]) => {
      const { stdout } = await report("gpt2", "--methods", "ia3,ln,bitfit,houlsby", "--format", "json", ...more);
      const { rows }: MethodComparison = JSON.parse(stdout);
      return rows.map(({ trainable }) => trainable);
    };
    const [ia3, ln, bitfit, houlsby] = await counts();
    const [attention, columns] = [12 * 3 * 768, 768 * 3 * 768];
    expect(await counts("--target-modules", "c_attn")).toEqual([
      ...[attention, 12 * columns + attention, attention, houlsby],
    ]);
    expect([ia3, ln, bitfit]).not.toContain(attention);
  });

  test("a method that the model does not take says why", async () => {
    const { stdout } = await report("roberta-base", "--methods", "lora,ln");
    expect(stdout).toContain("LN tuning: targetModules is not set, and there is no default for a roberta model");
  });
});

test("ranks are rows of each method that has a rank, and --memory is a budget", async () => {
  const { stdout } = await report(nano, "--methods", "lora,qlora,ia3", "--ranks", "2,4", "--memory", "20MB", "--json");
  const { rows, memory }: MethodComparison = JSON.parse(stdout);
  expect(memory).toBe(20e6);
  expect(rows.map(({ name, rank }) => `${name} ${rank}`)).toEqual([
    ...["LoRA 2", "LoRA 4", "QLoRA (NF4) 2", "QLoRA (NF4) 4", "(IA)³ null"],
  ]);
  for (const { fits, trainingBytes } of rows) expect(fits).toBe((trainingBytes as number) <= 20e6);
  const one = await report(nano, "--method", "lora", "--r", "2", "--memory", "1MB");
  expect(one.stdout).toMatch(/^memory of a training step: .*; more than --memory$/m);
});

describe("--method", () => {
  test("is the method of the adapter that options describe", async () => {
    const words = ["--method", "oft", "--oft-block-size", "8", "--json"];
    expect(JSON.parse((await report("stories15m", ...words)).stdout).peftType).toBe("OFT");
    const plain = await report("stories15m", "--method", "ia3", "--json");
    expect(JSON.parse(plain.stdout)).toMatchObject({ peftType: "IA3", inference: { parameters: expect.any(Number) } });
  });

  test("packs the base model where the method does", async () => {
    const bytes = async (name: string): Promise<number> =>
      JSON.parse((await report("stories15m", "--method", name, "--json")).stdout).baseBytes;
    expect(await bytes("qlora")).toBeLessThan(0.7 * (await bytes("lora")));
  });
});

test("--virtual-tokens is a setting of the comparison", async () => {
  const { stdout } = await report("gpt2", "--virtual-tokens", "7", "--methods", "prompt", "--format", "json");
  expect(JSON.parse(stdout).rows[0].trainable).toBe(7 * 768);
  const all = await report("stories15m", "--virtual-tokens", "7", "--format", "csv");
  expect(all.stdout).toMatch(/^prompt tuning,,,2016,.*,numVirtualTokens=7,$/m);
});

describe("misuse", () => {
  test.each([
    [["gpt2", "--methods", "lora,loar"], 'error: there is no method "loar"; there are full, lora,'],
    [["gpt2", "--peft-config", "nowhere.json"], "error: --peft-config: there is no file or folder nowhere.json"],
    [["gtp2"], 'error: there is no preset "gtp2"; did you mean gpt2?'],
    [[], "error: which model? Give a config.json, a model's folder or GGUF file, or a preset"],
    [
      ["gpt2", "--methods", "lora,ia3", "--r", "4", "--modules-to-save", "ln_f"],
      "error: --modules-to-save is for one adapter; leave it out with --methods, or give one method with --method",
    ],
    [["gpt2", "--ranks", "4,0"], "--ranks"],
    [["gpt2", "--ranks", "4", "--r", "8"], "cannot be used with option"],
    [["gpt2", "--adapter", "a", "--format", "csv"], "cannot be used with option"],
    [["gpt2", "--json", "--format", "csv"], "error: --json and --format csv name two formats; give one of them"],
    [
      ["gpt2", "--peft-config", "a.json", "--r", "4"],
      "error: --peft-config already describes the adapter; leave --r out",
    ],
    [["gpt2", "--adapter", "a", "--use-dora"], "error: --adapter already describes the adapter; leave --use-dora out"],
  ])("%j", async (args, message) => {
    const { code, stderr } = await report(...args);
    expect(stderr).toContain(message);
    expect(code).toBe(1);
  });
});
