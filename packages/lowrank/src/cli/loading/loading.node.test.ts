import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Generator, init, tensor } from "@lowrank/core";
import { createModel, generate, parseModelConfig, randomParameters } from "@lowrank/models";
import { wasm } from "@lowrank/wasm";
import { Command } from "commander";
import { afterAll, describe, expect, test, vi } from "vitest";
import { tinyLlama } from "../../testing/tinyLlama.ts";
import { answer, compareAnswers } from "./answer.ts";
import { backendNames, backendOption, describeBackend, flagOf, printAdapter, startBackend } from "./backends.ts";
import { checkAdaptersExist, checkFilesExist, checkResumeExists } from "./checkInputs.ts";
import { countTypes, withProgress } from "./ggufFile.ts";
import { isGguf, storedQuantization, withoutTokenizer } from "./loading.ts";
import { findModel, findModelConfig, isClassifier, isEncoder } from "./modelConfig.ts";
import { addModelOption } from "./modelOption.ts";

const folder = await mkdtemp(join(tmpdir(), "lowrank-loading-"));
afterAll(() => rm(folder, { recursive: true }));
const at = (name: string) => join(folder, name);

describe("a backend", () => {
  test("is wasm by default, with one thread and the usual arithmetic", async () => {
    const [parsed] = [[], ["--backend", "webgpu"]].map((words) =>
      new Command("x").addOption(backendOption()).parse(words, { from: "user" }).opts(),
    );
    expect([parsed, backendNames]).toEqual([{ backend: "wasm" }, ["wasm", "webgpu"]]);
    expect(await startBackend()).toMatchObject({ name: "wasm", threads: 1, batchInvariant: false });
    expect(await startBackend("wasm", { batchInvariant: true })).toMatchObject({ batchInvariant: true });
    await expect(startBackend("wasm", { threads: 0 })).rejects.toThrow(/^wasm: threads/);
  });

  test("refuses settings of other backends", async () => {
    await expect(startBackend("webgpu", { threads: 2 })).rejects.toThrow(
      "--threads 2 is not for --backend webgpu; leave it out",
    );
    await expect(startBackend("webgpu", { wideSimd: true })).rejects.toThrow(
      "--wide-simd is not for --backend webgpu; leave it out",
    );
  });

  test("is named with its adapter, which is printed", () => {
    const error = vi.spyOn(console, "error").mockImplementation(() => undefined);
    printAdapter({ name: "wasm", adapter: undefined });
    printAdapter({ name: "webgpu", adapter: "GPU 1" });
    expect(error.mock.calls).toEqual([["backend: webgpu on GPU 1"]]);
    error.mockRestore();
    expect([describeBackend({ name: "wasm", adapter: undefined }), flagOf("wideSimd")]).toEqual([
      "wasm",
      "--wide-simd",
    ]);
  });
});

describe("an answer", () => {
  test("has the logits of the prompt and 16 tokens, or as many as fit", async () => {
    await init(wasm());
    const wide = parseModelConfig({
      ...{ model_type: "llama", vocab_size: 11, hidden_size: 8, intermediate_size: 12, num_hidden_layers: 1 },
      ...{ num_attention_heads: 2, max_position_embeddings: 40 },
    });
    const long = createModel(wide, randomParameters(new Generator(5)));
    for (const [model, length, count] of [
      [tinyLlama(), 4, 12],
      [tinyLlama(), 15, 1],
      [long, 4, 16],
    ] as const) {
      const ids = Array.from({ length }, (_, i) => 1 + (i % 10));
      const found = await answer(model, ids, "it");
      expect([found.logits.length, found.tokens.length]).toEqual([11 * length, count]);
      expect([found.tokens]).toEqual(await generate(model, [ids], { maxNewTokens: count }));
    }
    const broken = { eval: () => undefined, forward: () => ({ logits: tensor([1, Number.NaN]) }) };
    await expect(answer(broken as never, [1], "the merged model")).rejects.toThrow(
      "the logits of the merged model contain NaN; nothing was written",
    );
  });

  test("is compared by its logits and its tokens", () => {
    const of = (logits: number[], tokens: number[]) => ({ logits: Float32Array.from(logits), tokens });
    expect(compareAnswers(of([1, -4, 2], [1, 2]), of([1.5, -3, 2], [1, 2]))).toEqual({
      ...{ maxDifference: 1, scale: 4, sameTokens: true },
    });
    expect(compareAnswers(of([], [1]), of([], [2]))).toEqual({ maxDifference: 0, scale: 0, sameTokens: false });
  });
});

describe("inputs", () => {
  test("that are missing are named before a model is loaded", async () => {
    await writeFile(at("file"), "");
    await checkFilesExist([at("file"), "hf://org/name"]);
    await expect(checkFilesExist([at("file"), at("none")])).rejects.toThrow(`there is no file ${at("none")}`);
    await checkResumeExists(undefined);
    await checkResumeExists(folder);
    const takes = "; --resume takes the folder of a stopped run, or a checkpoint in it";
    await expect(checkResumeExists(at("file"))).rejects.toThrow(`${at("file")} is a file${takes}`);
    await expect(checkResumeExists(at("none"))).rejects.toThrow(`there is no folder ${at("none")}${takes}`);
    await checkAdaptersExist(["hf://org/name"]);
    await expect(checkAdaptersExist([folder])).rejects.toThrow("adapter_config.json");
  });

  test("that are GGUF files have their names, in upper or lower case", async () => {
    expect([isGguf("a.gguf"), isGguf("a.GGUF"), isGguf("gguf")]).toEqual([true, true, false]);
    expect(withoutTokenizer("a.gguf").message).toBe(
      "a.gguf has no tokenizer; convert the model again, from a folder that has one",
    );
    expect(withoutTokenizer("a").message).toBe(
      "a has no tokenizer.json; copy it from the original model, next to config.json",
    );
    expect([await storedQuantization("none.gguf"), await storedQuantization(folder)]).toEqual([null, null]);
    expect(countTypes(["F32", "Q8_0", "F32"])).toBe("2 F32, 1 Q8_0 tensors");
  });

  test("that are written show their progress on a terminal", async () => {
    async function* pieces() {
      yield new Uint8Array(1_500_000);
      yield new Uint8Array(999_999);
    }
    const write = vi.spyOn(process.stderr, "write").mockImplementation(() => true);
    const before = Object.getOwnPropertyDescriptor(process.stderr, "isTTY");
    const shown: unknown[] = [];
    try {
      for (const isTTY of [true, false]) {
        Object.defineProperty(process.stderr, "isTTY", { value: isTTY, configurable: true });
        let bytes = 0;
        for await (const piece of withProgress(pieces())) bytes += piece.length;
        shown.push([bytes, ...write.mock.calls.map(([text]) => text)]);
        write.mockClear();
      }
    } finally {
      write.mockRestore();
      if (before) Object.defineProperty(process.stderr, "isTTY", before);
      else Reflect.deleteProperty(process.stderr, "isTTY");
    }
    const line = "\r\x1b[K";
    expect(shown).toEqual([[2_499_999, `${line}2 MB written`, `${line}2 MB written`, line], [2_499_999]]);
  });
});

describe("the config of a model", () => {
  const sizes = { hidden_size: 8, intermediate_size: 12, num_hidden_layers: 1, num_attention_heads: 2 };
  const write = async (name: string, more: object) => {
    await writeFile(at(name), JSON.stringify({ vocab_size: 11, max_position_embeddings: 16, ...sizes, ...more }));
    return at(name);
  };

  test("has the dtype of its weights, and a head that classifies only if asked", async () => {
    for (const [dtype, found] of [
      [{}, "f32"],
      [{ torch_dtype: "bfloat16" }, "bf16"],
      [{ dtype: "float16", torch_dtype: "bfloat16" }, "f16"],
    ] as const) {
      expect((await findModel(await write("llama.json", { model_type: "llama", ...dtype }))).dtype).toBe(found);
    }
    const wrong = await write("wrong.json", { model_type: "llama", dtype: "toString" });
    await expect(findModel(wrong)).rejects.toThrow(
      `${wrong}: dtype is "toString"; known are float32, float16, bfloat16`,
    );
    const heads = async (options?: { classifies: boolean }) => {
      const { shapes } = await findModel(at("llama.json"), options);
      return [...shapes.parameters].filter(({ name }) => name.startsWith("score.")).length;
    };
    expect([await heads(), await heads({ classifies: false }), await heads({ classifies: true })]).toEqual([0, 0, 1]);
  });

  test("is of an encoder, of a classifier or of neither", async () => {
    const llama = await write("llama.json", { model_type: "llama" });
    const bert = await write("bert.json", { model_type: "bert" });
    const labels = { architectures: ["BertForSequenceClassification"], id2label: { 0: "a", 1: "b" } };
    const classifier = await write("classifier.json", { model_type: "bert", ...labels });
    expect(await Promise.all([llama, bert, classifier, "gpt2"].map(isEncoder))).toEqual([false, true, true, false]);
    expect(await Promise.all([llama, bert, classifier, "gpt2"].map(isClassifier))).toEqual([false, true, true, false]);
    expect((await findModelConfig(llama)).modelType).toBe("llama");
    expect((await findModelConfig("gpt2")).modelType).toBe("gpt2");
  });

  test("that is not there or not JSON is an error with the path", async () => {
    for (const path of ["none/", "none.json", "none.gguf", "a\\b"]) {
      await expect(findModel(path)).rejects.toThrow(`there is no file or folder ${path}`);
    }
    await writeFile(at("broken.json"), "{");
    await expect(findModel(at("broken.json"))).rejects.toThrow(`${at("broken.json")} is not valid JSON: `);
  });
});

test("a model is an argument or an option, of which one is needed unless another option has it", () => {
  const parse = (words: string[], other?: string) => {
    const command = addModelOption(new Command("x").option("--from <path>"), other).action(() => undefined);
    command.exitOverride().configureOutput({ writeErr: () => undefined });
    return command.parse(words, { from: "user" }).opts();
  };
  expect([parse(["a"]), parse(["--model", "a"])]).toEqual([{ model: "a" }, { model: "a" }]);
  expect(parse(["--from", "a"], "from")).toEqual({ from: "a", model: undefined });
  expect(() => parse(["a", "--model", "b"])).toThrow("there are two models, a and --model b; give one");
  for (const [words, other] of [[[]], [["--from", "a"]], [[], "from"]] as [string[], string?][]) {
    expect(() => parse(words, other)).toThrow("required option '--model <path>' not specified");
  }
});
