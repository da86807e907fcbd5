import { cp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadModel, saveModel } from "./index.gen.ts";
import { commandFolder } from "./testing/commandFolder.ts";
import type { Outcome } from "./testing/runCommand.ts";

const { folder, at, lowrank, succeed, process } = await commandFolder();
afterAll(() => rm(folder, { recursive: true, force: true }));

const trainText = "train --model model --data text.txt --block-size 32 --batch-size 4 --lr 2e-2 --steps 30".split(" ");

describe("train, generate, merge, report", () => {
  let trained: Outcome;
  beforeAll(async () => {
    trained = await succeed([...trainText, "--output", "adapter", "--r", "4", "--alpha", "8"]);
  });

  test("train writes the same adapter with two threads", async () => {
    await process.succeed([...trainText, "--output", "adapter-2", "--r", "4", "--alpha", "8", "--threads", "2"]);
    const weights = (name: string) => readFile(at(`${name}/adapter_model.safetensors`));
    expect(await weights("adapter-2")).toEqual(await weights("adapter"));
  });

  test("train lowers the validation loss and says what it did", () => {
    expect(trained.stderr).toContain("step 30 of 30 | loss ");
    expect(trained.stdout).toContain("adapter on 14 modules: 2 q_proj, 2 k_proj, 2 v_proj, 2 o_proj, 2 gate_proj");
    expect(trained.stdout).toMatch(/trainable params: 1,856 \|\| all params: [\d,]+ \|\| trainable%: /);
    const [, before, after] = /nats per token: ([\d.]+) at step 0.*, ([\d.]+) at step 30/.exec(trained.stdout) ?? [];
    expect(Number(after)).toBeLessThan(0.9 * Number(before));
    expect(trained.stdout).toContain("lowrank serve model --adapter mine=adapter");
    expect(trained.stdout).toMatch(/adapter off: loss [\d.]+ before, [\d.]+ after, bit-identical/);
    expect(trained.stdout).toContain("lowrank merge --model model --adapter adapter --output adapter-merged");
  });

  test("the folder is an adapter of PEFT", async () => {
    const files = (await readdir(at("adapter"))).sort();
    expect(files).toEqual([
      ...["README.md", "adapter_config.json", "adapter_model.safetensors", "config.json", "metrics.jsonl"],
      "report.html",
    ]);
    const config = JSON.parse(await readFile(at("adapter/adapter_config.json"), "utf8"));
    expect(config).toMatchObject({ peft_type: "LORA", r: 4, lora_alpha: 8, task_type: "CAUSAL_LM" });
    expect(config.base_model_name_or_path).toBe("model");
  });

  // The test with two threads shows that the same seed gives the same adapter.
  test("another seed gives another adapter", async () => {
    const bytes = (name: string) => readFile(at(`${name}/adapter_model.safetensors`));
    await succeed([...trainText, "--output", "other", "--r", "4", "--alpha", "8", "--seed", "5"]);
    expect(await bytes("other")).not.toEqual(await bytes("adapter"));
  });

  test("generate goes on with the adapter, from an argument as from stdin", async () => {
    const generate = ["generate", "--model", "model", "--adapter", "adapter", "--max-new-tokens", "12"];
    const asked = await succeed([...generate, "--prompt", "the cat"]);
    expect(asked.stderr).toBe("");
    expect(asked.stdout.length).toBeGreaterThan(1);
    expect((await process.succeed(generate, { stdin: "the cat\n" })).stdout).toBe(asked.stdout);
    const base = await succeed(["generate", "--model", "model", "--max-new-tokens", "12", "--prompt", "the cat"]);
    expect(base.stdout).not.toBe(asked.stdout);
  });

  test("generate samples by seed, and chats through the template", async () => {
    const generate = [
      "generate",
      "--model",
      "model",
      "--temperature",
      "2",
      "--max-new-tokens",
      "20",
      "--chat",
      "--prompt",
      "hi",
    ];
    const first = await succeed([...generate, "--seed", "1"]);
    expect((await succeed([...generate, "--seed", "1"])).stdout).toBe(first.stdout);
    expect((await succeed([...generate, "--seed", "2"])).stdout).not.toBe(first.stdout);
  });

  test("merge writes a model that answers as model and adapter do", async () => {
    const merged = await succeed("merge --model model --adapter adapter --output merged".split(" "));
    expect(merged.stderr).toBe("");
    expect(merged.stdout).toMatch(
      /^merged: logits differ by \S+ at most \(largest \S+\), greedy tokens are the same\n/,
    );
    expect(merged.stdout).not.toContain("warning");
    expect((await readdir(at("merged"))).sort()).toEqual(
      ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"].sort(),
    );
    const words = "generate --max-new-tokens 12 --prompt cat --model".split(" ");
    const asked = await succeed([...words, "merged"]);
    expect(asked.stdout).toBe((await succeed([...words, "model", "--adapter", "adapter"])).stdout);
    const again = await lowrank("merge --model model --adapter adapter --output merged".split(" "));
    expect(again).toMatchObject({ code: 1, stderr: expect.stringContaining("--output merged is not empty") });
  });

  test("merge in bf16 halves the file", async () => {
    await succeed("merge --model model --adapter adapter --output half --dtype bf16".split(" "));
    expect(JSON.parse(await readFile(at("half/config.json"), "utf8")).torch_dtype).toBe("bfloat16");
    const size = async (name: string) => (await readFile(at(`${name}/model.safetensors`))).length;
    expect(await size("half")).toBeLessThan(0.6 * (await size("model")));
  });

  test("report tells of an adapter on disk and of one to be", async () => {
    const written = await succeed(["report", "model", "--adapter", "adapter"]);
    expect(written.stdout).toContain("trainable params: 1,856 ||");
    const planned = await succeed(["report", "model", "--r", "2", "--target-modules", "q_proj,k_porj", "--json"]);
    const { trainable, matched, unmatchedTargets } = JSON.parse(planned.stdout);
    expect({ trainable, matched, unmatchedTargets }).toEqual({
      trainable: 128,
      matched: ["model.layers.0.self_attn.q_proj", "model.layers.1.self_attn.q_proj"],
      unmatchedTargets: ["k_porj"],
    });
  });
});

describe("convert", () => {
  test("a folder becomes a GGUF file, and that a folder of the same weights and answers", async () => {
    const to = await succeed("convert --model model --output sub/model.gguf --dtype f32".split(" "));
    expect(to.stderr).toBe("");
    expect(to.stdout).toMatch(/^wrote sub\/model.gguf: 20 F32 tensors, [\d.]+ MB\nnext:\n/);
    expect(await readdir(at("sub"))).toEqual(["model.gguf"]);
    const from = await succeed("convert --model sub/model.gguf --output converted".split(" "));
    expect(from.stdout).toMatch(/^wrote converted: f32 from 20 F32 tensors, [\d.]+ MB\n/);
    expect((await readdir(at("converted"))).sort()).toEqual(
      ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"].sort(),
    );
    expect(await readFile(at("converted/model.safetensors"))).toEqual(await readFile(at("model/model.safetensors")));
    const ask = async (model: string) =>
      (await succeed(["generate", "--model", model, "--greedy", "--max-new-tokens", "8", "--prompt", "cat"])).stdout;
    expect(await ask("converted")).toBe(await ask("model"));
    expect(await ask("sub/model.gguf")).toBe(await ask("model"));
  });

  test("f16 by default; what no block fits is named", async () => {
    const half = await succeed("convert --model model --output half.gguf".split(" "));
    expect(half.stdout).toContain("wrote half.gguf: 15 F16, 5 F32 tensors");
    const blocks = await succeed("convert --model model --output blocks.gguf --dtype q8_0".split(" "));
    expect(blocks.stdout).toContain(
      "note: f16 instead of q8_0, since rows are no whole blocks of 32: token_embd.weight [98,16], 2 of blk.*.attn_q.weight",
    );
  });

  test.each([
    ["--model model --output other", "neither is a GGUF file; one of them must end in .gguf, the other is a folder"],
    ["--model a.gguf --output b.gguf", "both are GGUF files; one of them must end in .gguf, the other is a folder"],
    ["--model nowhere.gguf --output none", "nowhere.gguf"],
    ["--model nowhere --output none.gguf", "There is no folder nowhere"],
    ["--model text.txt.gguf --output none --dtype q8_0", "--dtype q8_0 is for GGUF files; a folder's weights are f32,"],
    ["--model model --output there.gguf", "--output there.gguf exists; give another name"],
    ["--model there.gguf --output model", "--output model is not empty"],
    ["--model there.gguf --output none", "there.gguf cannot be read as GGUF"],
  ])("%s", async (words, message) => {
    await writeFile(at("there.gguf"), "not one");
    const { code, stdout, stderr } = await lowrank(["convert", ...words.split(" ")]);
    expect(stderr).toContain(message);
    expect(stderr).toMatch(/^error: .*\n$/);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect((await readdir(folder)).filter((name) => name.startsWith("none"))).toEqual([]);
  });
});

describe("qlora", () => {
  const words = (more: string) => [
    ...trainText,
    "--method",
    "qlora",
    "--r",
    "4",
    "--alpha",
    "16",
    ...more.split(" ").filter((w) => w),
  ];

  test("trains on 4-bit weights, with 8-bit moments and recomputed activations, and tells how to go on", async () => {
    const more = "--output q --double-quant --quant-block-size 32 --optimizer adamw8bit --gradient-checkpointing";
    const { stdout } = await succeed(words(more));
    expect(stdout).toContain("base model: 14 linear layers in nf4, blocks of 32, ");
    const [, before, after] = stdout.match(/validation loss.*: ([\d.]+) at step 0.* ([\d.]+) at step 30/) ?? [];
    expect(Number(after)).toBeLessThan(0.8 * Number(before));
    expect(stdout).toContain("bit-identical");
    const next = "generate --model model --adapter q --quant-type nf4 --quant-block-size 32 --double-quant";
    expect(stdout).toContain(`lowrank ${next} --prompt "..."`);
    const prompt = ["--prompt", "the cat", "--max-new-tokens", "8"];
    const [packed, full] = [
      await succeed([...next.split(" "), ...prompt]),
      await succeed([...next.split(" ").slice(0, 5), ...prompt]),
    ];
    expect(packed.stdout.length).toBeGreaterThan(4);
    expect(full.stdout.length).toBeGreaterThan(4);
  });

  test("a model in 4 bits on disk stays as it is, and merges to one in full", async () => {
    const { model, config, files } = await loadModel(at("model"), { quantize: {} });
    await saveModel(model, config, at("packed"), { companions: files });
    const train = words("--output q-packed").map((word) => (word === "model" ? "packed" : word));
    const { stdout } = await succeed(train);
    expect(stdout).toContain("base model: in nf4 on disk already");
    expect(stdout).toContain('lowrank generate --model packed --adapter q-packed --prompt "..."');
    const merged = await succeed("merge --model packed --adapter q-packed --output q-merged".split(" "));
    expect(merged.stdout).toMatch(/written as f32: .* greedy tokens are the same/);
    expect(JSON.parse(await readFile(at("q-merged/config.json"), "utf8")).quantization_config).toBeUndefined();
    const again = await lowrank([...train, "--overwrite", "--double-quant"]);
    expect(again.stderr).toContain("packed is quantised already, to nf4; leave --double-quant out");
  });

  test("merged into the model as it was trained on, in full or in 4 bits again with the drift told", async () => {
    await succeed(words("--output q-again --double-quant"));
    const merge = "merge --model model --adapter q-again --output".split(" ");
    const how = "--quant-type nf4 --double-quant".split(" ");
    const full = await succeed([...merge, "q-full", ...how]);
    expect(full.stdout).toMatch(/^merged: .* greedy tokens are the same\nwritten as f32: /);
    const packed = await succeed([...merge, "q-packed-again", ...how, "--requantize"]);
    expect(packed.stdout).toMatch(
      /^requantized: 14 weights drift by \S+e-\d on average and \S+e-\d at most \(model\.layers\.\S+\.weight\)\nmerged: logits differ by /,
    );
    const [weights, difference] = packed.stdout
      .match(/\d\.\de[-+]\d/g)!
      .slice(1)
      .map(Number);
    expect(weights).toBeGreaterThan(1e-4);
    expect(difference).toBeGreaterThan(1e-3);
    const { quantization_config } = JSON.parse(await readFile(at("q-packed-again/config.json"), "utf8"));
    expect(quantization_config).toMatchObject({ bnb_4bit_quant_type: "nf4", bnb_4bit_use_double_quant: true });
    await succeed("generate --model q-packed-again --prompt a --max-new-tokens 2".split(" "));
  });

  test("options of 4-bit weights alone are refused with advice", async () => {
    const lone = await lowrank([...trainText, "--output", "none", "--double-quant"]);
    expect(lone.stderr).toContain("--double-quant is for --method qlora; change --method, or leave --double-quant out");
    const generate = await lowrank("generate --model model --prompt a --quant-block-size 64".split(" "));
    expect(generate.stderr).toContain(
      "--quant-block-size needs --quant-type; give --quant-type nf4 or --quant-type fp4",
    );
    const requantize = await lowrank("merge --model model --adapter q --output none --requantize".split(" "));
    expect(requantize.stderr).toContain(
      "--requantize: model is not in 4 bits; give --quant-type, or leave --requantize out",
    );
    const odd = await lowrank(words("--output none --quant-block-size 48"));
    expect(odd.stderr).toMatch(/--quant-block-size is 48; use a power of two from 32 to 4096/);
  });
});

test("train learns from prompts and completions, padded or packed, with modules saved in full", async () => {
  const words = "train --model model --data pairs.jsonl --lr 1e-2 --epochs 4 --accumulate 2 --batch-size 4".split(" ");
  const padded = await succeed([...words, "--modules-to-save", "model.norm", "--output", "pairs"]);
  expect(padded.stdout).toContain("in 22 examples to train on");
  expect(padded.stdout).toContain("bit-identical");
  const cut = await succeed([...words, "--max-length", "9", "--output", "cut"]);
  expect(cut.stderr).toContain("22 of 22 examples are longer than 9 tokens (--max-length)");
  const packed = await succeed([...words, "--pack", "--block-size", "16", "--output", "packed-pairs"]);
  expect(packed.stdout).toContain("blocks of 16 to train on");
});

test("a run that is interrupted saves, says so by its code, and its checkpoint is gone on from", async () => {
  const whole = [...trainText.slice(0, -1), "40", "--save-every", "1000"];
  let interrupted = false;
  const stopped = await process.lowrank([...whole, "--output", "stopped"], {
    onStderr: (text, stop) => {
      if (interrupted || !text.includes("step 6 of 40")) return;
      interrupted = true;
      stop();
    },
  });
  expect(stopped.code).toBe(130);
  expect(stopped.stderr).toContain("stopping after the last whole step");
  expect(await readdir(at("stopped"))).not.toContain("run.lock");
  expect(stopped.stdout).toMatch(/stopped after step \d+ of 40; the adapter is as it was then/);
  const checkpoint = (await readdir(at("stopped"))).find((name) => name.startsWith("checkpoint-"));
  expect(Number(checkpoint?.slice("checkpoint-".length))).toBeLessThan(40);
  await succeed([...whole, "--output", "resumed", "--resume", `stopped/${checkpoint}`]);
  await succeed([...whole, "--output", "unstopped"]);
  const bytes = (name: string) => readFile(at(`${name}/adapter_model.safetensors`));
  expect(await bytes("resumed")).toEqual(await bytes("unstopped"));
  // A checkpoint is an adapter folder. For a run's folder, the newest complete checkpoint is used.
  expect(await bytes("resumed/checkpoint-40")).toEqual(await bytes("unstopped"));
  const asked = ["generate", "--model", "model", "--prompt", "a", "--greedy", "--max-new-tokens", "5"];
  const texts = ["resumed/checkpoint-40", "resumed"].map((adapter) => succeed([...asked, "--adapter", adapter]));
  const [ofCheckpoint, ofEnd] = await Promise.all(texts);
  expect(ofCheckpoint.stdout).toBe(ofEnd.stdout);
  await rm(at("resumed/checkpoint-40/optimizer.safetensors"));
  await cp(at(`stopped/${checkpoint}`), at(`resumed/${checkpoint}`), { recursive: true });
  const again = await succeed([...whole, "--output", "newest", "--resume", "resumed"]);
  expect(again.stdout).toMatch(/resumed from resumed\/checkpoint-\d+, after step \d+ of 40\n/);
  expect(again.stderr).toContain("checkpoint-40 is skipped, since it is not whole: optimizer.safetensors is missing");
  expect(await bytes("newest")).toEqual(await bytes("unstopped"));
  // A checkpoint of another run is refused with the options that differ, or accepted with a warning.
  const other = [...whole, "--output", "otherSeed", "--resume", `stopped/${checkpoint}`, "--seed", "3", "--alpha", "5"];
  const refused = await lowrank(other);
  expect(refused.stderr).toMatch(
    /error: --resume stopped\/checkpoint-\d+ is of another run: --seed is 3, and 0 in the checkpoint; --alpha is 5, and 16 in the checkpoint; give the same, or --allow-changes/,
  );
  expect(refused.code).toBe(1);
  const allowed = await succeed([...other, "--allow-changes"]);
  expect(allowed.stderr).toContain("lora_alpha is 5, and 16 in the checkpoint");
  const lone = await lowrank([...whole, "--output", "otherSeed", "--allow-changes"]);
  expect(lone.stderr).toContain("--allow-changes needs --resume; give --resume, or leave --allow-changes out");
}, 60_000);

test("a training that breaks names the command's options, and the checkpoint before it", async () => {
  const broken = await lowrank([...trainText, "--output", "none", "--lr", "1e38"]);
  expect(broken.stderr).toMatch(/\nerror: the update of step 1 is not finite; lower --lr \(1e\+38\)/);
  expect(broken.code).toBe(1);
  const later = await lowrank([
    ...trainText,
    "--output",
    "later",
    "--lr",
    "1e3",
    "--max-grad-norm",
    "0",
    "--save-every",
    "1",
  ]);
  if (later.code !== 0) expect(later.stderr).toMatch(/go on with --resume later\/checkpoint-\d+/);
});

test("train reads tables and records of other names, and says what is wrong with --columns", async () => {
  const rows = Array.from({ length: 12 }, (_, i) => `"say ${i % 3}: ","${"abc"[i % 3]}"`);
  await writeFile(at("asked.csv"), ["question,answer", ...rows].join("\n"));
  const words = "train --model model --lr 1e-2 --epochs 1 --data asked.csv --output asked".split(" ");
  const trained = await succeed([...words, "--columns", "prompt=question,completion=answer"]);
  expect(trained.stdout).toContain("in 11 examples to train on");
  const unnamed = await lowrank([...words, "--overwrite"]);
  expect(unnamed.stderr).toContain("asked.csv:2: found keys question, answer; an example is one of");
  const odd = await lowrank([...words, "--columns", "prompt"]);
  expect(odd.stderr).toContain(
    '"prompt" is not of the form key=column; give pairs such as prompt=question,completion=answer',
  );
  const text = await lowrank([...trainText, "--output", "none", "--columns", "text=body"]);
  expect(text.stderr).toContain("--columns is for .json, .jsonl, .ndjson, .csv, .tsv, .parquet");
});
