import { Generator, init, type Progress, reference } from "@lowrank/core";
import { memoryFiles } from "@lowrank/files";
import {
  createModel,
  generate,
  loadModel,
  loadSequenceClassifier,
  parseModelConfig,
  randomParameters,
  toGguf,
  writeGguf,
} from "@lowrank/models";
import { modelFileContents } from "@lowrank/models/internal";
import { getPeftModel, LoraConfig, PeftModel } from "@lowrank/peft";
import { type FakeHub, fakeCommit, startFakeHub } from "@lowrank/test-support/hub";
import { afterAll, beforeAll, expect, test } from "vitest";
import { connect } from "../worker/index.ts";

const config = parseModelConfig({
  ...{ model_type: "llama", vocab_size: 11, hidden_size: 64, intermediate_size: 64, num_hidden_layers: 1 },
  ...{ num_attention_heads: 4, max_position_embeddings: 32 },
});
const prompt = [[1, 2, 3]];
const greedy = { maxNewTokens: 6 };
const words = ["<unk>", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];
const tokenizerJson = JSON.stringify({
  ...{ version: "1.0", added_tokens: [], normalizer: null, post_processor: null, decoder: null },
  pre_tokenizer: { type: "Whitespace" },
  model: { type: "WordLevel", vocab: Object.fromEntries(words.map((word, i) => [word, i])), unk_token: "<unk>" },
});

let hub: FakeHub;
let options: { hub: { endpoint: string; cacheDir?: string } };
let cacheDir: string | undefined;
let expected: number[][];
let adapted: number[][];
let shards = 0;

beforeAll(async () => {
  await init(reference());
  hub = await startFakeHub();
  const node = globalThis.process?.getBuiltinModule;
  if (node) cacheDir = await node("node:fs/promises").mkdtemp(`${node("node:os").tmpdir()}/lowrank-hub-`);
  options = { hub: { endpoint: hub.endpoint, cacheDir } };

  const wide = randomParameters(new Generator(1));
  const model = createModel(config, (name, shape, start) => wide(name, shape, "std" in start ? { std: 0.5 } : start));
  const contents = await modelFileContents(model, config);
  expected = await generate(model, prompt, greedy);

  const pieces: Uint8Array[] = [];
  const gguf = writeGguf(await toGguf(memoryFiles(contents), { dtype: "f32", name: "model" }));
  for await (const piece of gguf) pieces.push(piece.slice());
  const file = new Uint8Array(await new Blob(pieces as BlobPart[]).arrayBuffer());
  contents.set("tokenizer.json", tokenizerJson);
  await hub.put({ name: "org/model" }, [...contents, ["pytorch_model.bin", "x"], ["onnx/model.onnx", "x"]]);
  const inShards = await modelFileContents(model, config, { maxShardSize: 40_000 });
  shards = [...inShards.keys()].filter((name) => name.endsWith(".safetensors")).length;
  await hub.put({ name: "org/sharded" }, [...inShards, ["model.F32.gguf", file]]);
  await hub.put({ name: "org/quantised", tags: { v1: fakeCommit } }, [["model.F32.gguf", file]]);

  const peft = await getPeftModel(model, new LoraConfig({ r: 2, initLoraWeights: false, targetModules: "all-linear" }));
  adapted = await generate(model, prompt, greedy);
  await hub.put({ name: "org/adapter", access: "gated" }, await peft.adapterFiles());
});

afterAll(async () => {
  await hub[Symbol.asyncDispose]();
  if (cacheDir) await globalThis.process.getBuiltinModule("node:fs/promises").rm(cacheDir, { recursive: true });
});

const inNode = globalThis.process?.getBuiltinModule !== undefined;
const bodies = async () => (await hub.requests()).filter((line) => /\/resolve\/|\/lfs\//.test(line));

test("a model and its tokenizer are downloaded, with progress, and then come from the cache", async () => {
  await hub.requests();
  const progress: Progress[] = [];
  const onProgress = (report: Progress) => void progress.push(report);
  const { model, tokenizer } = await loadModel("hf://org/model", { ...options, onProgress });
  expect(await generate(model, prompt, greedy)).toEqual(expected);
  expect(tokenizer?.encode("three four")).toEqual([3, 4]);
  const files = new Set(
    (await bodies()).map((line) =>
      line
        .replace(/^.*(resolve|lfs)\/[^/]+\/| bytes=.*$/g, "")
        .split("/")
        .at(-1),
    ),
  );
  expect([...files].sort()).toEqual(["config.json", "model.safetensors", "tokenizer.json"]);
  const weights = progress.filter(({ name }) => name === "model.safetensors");
  expect(weights.at(-1)?.loaded).toBe(weights[0].total);
  expect(progress.at(-1)?.loaded).toBe(progress.at(-1)?.total);

  const again = await loadModel("hf://org/model@main", { hub: { ...options.hub } });
  expect(await generate(again.model, prompt, greedy)).toEqual(expected);
  expect(await bodies()).toEqual([]);
  const offline = await loadModel("hf://org/model", { hub: { ...options.hub, localFilesOnly: true } });
  expect(await generate(offline.model, prompt, greedy)).toEqual(expected);
});

/** Returns the bytes of a file that were requested in ranges; NaN for a file requested without a range. */
function bytesOf(path: string, requests: readonly string[]): number {
  const ranges = requests.filter((line) => /\/resolve\//.test(line) && line.includes(`/${path}`));
  return ranges.reduce((sum, line) => {
    const [, from, to] = /bytes=(\d+)-(\d+)$/.exec(line) ?? [];
    return sum + Number(to) + 1 - Number(from);
  }, 0);
}

test("without the cache, only the header and the tensors that are needed come, by byte ranges", async () => {
  const uncached = { hub: { ...options.hub, cache: false } };
  await hub.requests();
  const { model } = await loadModel("hf://org/model", uncached);
  expect(await generate(model, prompt, greedy)).toEqual(expected);
  const whole = bytesOf("model.safetensors", await hub.requests());
  const headless = await loadSequenceClassifier("hf://org/model", { ...uncached, newHead: { labels: 2 } });
  expect(headless.freshParameters).toEqual(["score.weight"]);
  const requests = await hub.requests();
  // The language model head is not downloaded.
  expect(whole - bytesOf("model.safetensors", requests)).toBe(11 * 64 * 4);
  const file = await loadModel("hf://org/quantised@v1/model.F32.gguf", uncached);
  expect(await generate(file.model, prompt, greedy)).toEqual(expected);
  expect(bytesOf("model.F32.gguf", await hub.requests())).toBeGreaterThan(whole / 2);
  expect(requests.join()).not.toMatch(/pytorch_model|onnx/);
});

test.each([{ cache: false }, {}])(
  "shards and a GGUF file are read by byte ranges, with the options %j",
  async (more) => {
    const hubOptions = { hub: { ...options.hub, ...more } };
    const isRanged = !inNode || more.cache === false;
    await hub.requests();
    for (const address of ["hf://org/sharded", "hf://org/sharded/model.F32.gguf"]) {
      const { model } = await loadModel(address, hubOptions);
      expect(await generate(model, prompt, greedy)).toEqual(expected);
      const asked = (await hub.requests()).filter((line) => /\/lfs\/.*\.(safetensors|gguf)/.test(line));
      const files = new Set(asked.map((line) => /[^/]+\.(safetensors|gguf)/.exec(line)?.[0]));
      expect(shards).toBeGreaterThan(1);
      expect(files.size).toBe(address.endsWith("gguf") ? 1 : shards);
      for (const line of asked) expect(/ bytes=\d+-\d+$/.test(line)).toBe(isRanged);
    }
  },
);

test("a GGUF file of a repository is a model", async () => {
  const { model } = await loadModel("hf://org/quantised@v1/model.F32.gguf", options);
  expect(await generate(model, prompt, greedy)).toEqual(expected);
  await expect(loadModel("hf://org/quantised", options)).rejects.toThrow(
    "hf://org/quantised has no config.json (it holds model.F32.gguf)",
  );
});

test("an adapter is loaded, by the token of an account with access", async () => {
  const { model } = await loadModel("hf://org/model", options);
  await expect(PeftModel.fromPretrained(model, "hf://org/adapter", options)).rejects.toThrow(
    "hf://org/adapter is gated (401, GatedRepo); accept its terms",
  );
  const token = "hf_owner";
  const names = new Set<string>();
  const hubOptions = { ...options.hub, token };
  await PeftModel.fromPretrained(model, "hf://org/adapter", {
    hub: hubOptions,
    onProgress: ({ name }) => names.add(name),
  });
  expect(names.has("adapter_model.safetensors")).toBe(true);
  expect(await generate(model, prompt, greedy)).toEqual(adapted);
});

test("a classifier takes its stack from the hub", async () => {
  const { model, freshParameters } = await loadSequenceClassifier("hf://org/model", {
    ...options,
    newHead: { labels: 2 },
  });
  expect([freshParameters, model.config.labels.length]).toEqual([["score.weight"], 2]);
});

test("an aborted download rejects with the signal's reason, and the next load goes on", async () => {
  await hub.put(
    { name: "org/aborted" },
    await modelFileContents(createModel(config, randomParameters(new Generator(2))), config),
  );
  const controller = new AbortController();
  const reason = new Error("enough");
  const onProgress = ({ name, loaded }: Progress) => {
    if (name === "model.safetensors" && loaded > 0) controller.abort(reason);
  };
  const loading = loadModel("hf://org/aborted", { ...options, onProgress, signal: controller.signal });
  await expect(loading).rejects.toBe(reason);
  expect((await loadModel("hf://org/aborted", options)).model.vocabSize).toBe(11);
});

test("an engine in a Worker takes the same addresses and options", async () => {
  const url = new URL("../testing/engineWorker.ts", import.meta.url);
  const node = globalThis.process?.getBuiltinModule?.("node:worker_threads");
  const engine = await connect(node ? new node.Worker(url) : new Worker(url, { type: "module" }));
  const names = new Set<string>();
  const onProgress = ({ name }: Progress) => void names.add(name);
  const model = await engine.loadModel("hf://org/model", { ...options, onProgress });
  await model.loadAdapter("hf://org/adapter", { hub: { ...options.hub, token: "hf_owner" } });
  expect(await model.generateText("one two", { maxNewTokens: 1 })).toBeTypeOf("string");
  expect(names.size).toBeGreaterThan(0);
  engine.close();
});
