import { Generator, init, type Progress, reference } from "@lowrank/core";
import { memoryFiles } from "@lowrank/files";
import { createModel, generateText, loadModel, parseModelConfig, randomParameters } from "@lowrank/models";
import { modelFileContents } from "@lowrank/models/internal";
import { getPeftModel, LoraConfig, PeftModel } from "@lowrank/peft";
import { evaluate, Trainer, tokenizeExample } from "@lowrank/train";
import { wasm } from "@lowrank/wasm";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { words, wordTokenizer } from "../testing/wordTokenizer.ts";
import { connect, type EngineWorker, type RemoteEngine, type RemoteModel } from "./index.ts";

const config = parseModelConfig({
  ...{ model_type: "llama", vocab_size: 11, hidden_size: 64, intermediate_size: 128, num_hidden_layers: 4 },
  ...{ num_attention_heads: 4, num_key_value_heads: 2, max_position_embeddings: 256 },
});
const lora = new LoraConfig({ r: 4, targetModules: "all-linear" });
const examples = Array.from({ length: 12 }, (_, i) => ({
  text: Array.from({ length: 40 }, (_, t) => words[1 + ((i + t) % 10)]).join(" "),
}));
const training = { learningRate: 1e-2, batchSize: 4, maxSteps: 10, padTokenId: 0 };

let contents: Map<string, Uint8Array | string>;
let engine: RemoteEngine;

/** Starts an engine's script, or another one, in a Worker. */
async function start(url: URL): Promise<EngineWorker> {
  const node = globalThis.process?.getBuiltinModule?.("node:worker_threads");
  return node ? new node.Worker(url) : new Worker(url, { type: "module" });
}

beforeAll(async () => {
  await init(reference());
  const model = createModel(config, randomParameters(new Generator(5)));
  contents = await modelFileContents(model, config);
  contents.set("tokenizer.json", wordTokenizer);
  engine = await connect(await start(new URL("../testing/engineWorker.ts", import.meta.url)));
});

afterAll(() => engine.close());

it("runs on the backend that the Worker's script starts, with the options of connect", async () => {
  const url = new URL("../testing/ownBackendWorker.ts", import.meta.url);
  const own = await connect(await start(url), { threads: 2 });
  const model = await own.loadModel(contents);
  expect(await model.generateText("one two", { maxNewTokens: 2 })).not.toBe("");
  own.close();
  await expect(connect(await start(url), { threads: 3 })).rejects.toThrow(
    "test: there are no 3 threads; ask for 2, or use another backend",
  );
});

interface Watched {
  /** Durations of the page's tasks over 50 ms, if the browser reports them. */
  longTasks: number[];
  ticks: number;
  ms: number;
}

/** Runs work with a timer in parallel, and records the page's long tasks. */
async function watched(work: () => Promise<unknown>): Promise<Watched> {
  const pause = () => new Promise((resolve) => setTimeout(resolve, 100));
  await pause();
  const longTasks: number[] = [];
  const begin = performance.now();
  const note = (entries: PerformanceEntryList) => {
    for (const { startTime, duration } of entries) if (startTime >= begin) longTasks.push(duration);
  };
  const isTold = globalThis.PerformanceObserver?.supportedEntryTypes?.includes("longtask") ?? false;
  const observer = isTold ? new PerformanceObserver((list) => note(list.getEntries())) : undefined;
  observer?.observe({ entryTypes: ["longtask"] });
  let ticks = 0;
  const timer = setInterval(() => ticks++, 5);
  await work();
  const ms = performance.now() - begin;
  clearInterval(timer);
  await pause();
  note(observer?.takeRecords() ?? []);
  observer?.disconnect();
  return { longTasks, ticks, ms };
}

describe("the engine in a Worker", () => {
  it("loads, adapts, trains, evaluates, generates, merges and saves as in the page", async () => {
    const progress: Progress[] = [];
    const model = await engine.loadModel(contents, { onProgress: (report) => void progress.push(report) });
    expect(progress.at(-1)).toMatchObject({ loaded: progress[0].total, total: progress[0].total });
    await model.addAdapter(lora);
    const reports: number[] = [];
    const result = await model.train(examples, { ...training, onStep: ({ loss }) => void reports.push(loss) });
    const evaluation = await model.evaluate(examples);
    const text = await model.generateText("one two", { maxNewTokens: 12 });
    const pieces: string[] = [];
    for await (const piece of model.stream("one two", { maxNewTokens: 12 })) pieces.push(piece);
    const adapter = await model.adapterFiles();
    await expect(model.modelFiles()).rejects.toThrow(
      "the model has adapters (default); call mergeAndUnload first, or save the adapter with adapterFiles",
    );
    const report = await model.mergeAndUnload();
    const merged = await model.modelFiles();
    const before = await engine.memory();
    await model.release();
    expect((await engine.memory()).bytes).toBeLessThan(before.bytes / 2);
    await expect(model.evaluate(examples)).rejects.toThrow("evaluate: the model was released; load it again");

    await init(await wasm());
    const own = await loadModel(memoryFiles(contents));
    const peft = await getPeftModel(own.model, lora);
    const rows = await Promise.all(examples.map((example) => tokenizeExample(own.tokenizer!, example)));
    const expected = await new Trainer(peft, rows, training).train();
    expect({ ...result, seconds: 0 }).toEqual({ ...expected, seconds: 0 });
    expect(reports).toEqual(expected.losses);
    expect(evaluation).toEqual(await evaluate(peft, rows, { padTokenId: 0, batchSize: 8 }));
    expect(text).toBe(await generateText(own.model, own.tokenizer!, "one two", { maxNewTokens: 12 }));
    expect(pieces.join("")).toBe(text);
    expect(pieces.length).toBeGreaterThan(5);
    expect(adapter).toEqual(await peft.adapterFiles());
    expect(report?.adapters).toEqual(["default"]);
    const mergedModel = await peft.mergeAndUnload();
    const companions = memoryFiles(contents);
    expect(merged).toEqual(await modelFileContents(mergedModel, own.config, { companions }));
    await init(reference());
  });

  // A busy machine delays a page now and then; an engine in the page would always do so.
  it("leaves the page free all the while", { retry: 3 }, async () => {
    let model: RemoteModel | undefined;
    const { longTasks, ticks, ms } = await watched(async () => {
      model = await engine.loadModel(contents);
      await model.addAdapter({ peftType: "LORA", r: 4, targetModules: "all-linear" });
      await model.train(examples, training);
      await model.generateText("one", { maxNewTokens: 100 });
    });
    await model?.release();
    expect(longTasks).toEqual([]);
    expect(ticks).toBeGreaterThan(ms / 100);
  });

  it("ends calls by the page's signal", async () => {
    await using model = await engine.loadModel(contents);
    const begin = performance.now();
    const result = await model.train(examples, { ...training, maxSteps: 100_000, signal: AbortSignal.timeout(50) });
    expect(result).toMatchObject({ aborted: true, losses: { length: result.steps } });
    expect(performance.now() - begin).toBeLessThan(20_000);
    const signal = AbortSignal.abort(new Error("not now"));
    await expect(model.evaluate(examples, { signal })).rejects.toThrow("not now");
    await expect(engine.loadModel(contents, { signal: AbortSignal.abort() })).rejects.toHaveProperty(
      "name",
      "AbortError",
    );
    let pieces = 0;
    for await (const _ of model.stream("one", { maxNewTokens: 200 })) if (++pieces === 3) break;
    expect(pieces).toBe(3);
    expect(await model.generateText("one", { maxNewTokens: 1 })).not.toBe("");
  });

  it("takes adapters of elsewhere, several beside each other, and a model in 4 bits", async () => {
    const local = await PeftModel.fromPretrained(
      createModel(config, randomParameters(new Generator(5))),
      await saved(),
    );
    const files = await local.adapterFiles();
    await using model = await engine.loadModel(contents);
    const progress: Progress[] = [];
    await model.loadAdapter(new Map(files), {
      adapterName: "first",
      onProgress: (report) => void progress.push(report),
    });
    expect(progress.length).toBeGreaterThan(4);
    await model.addAdapter(lora, { adapterName: "second" });
    await model.setAdapter("first");
    await model.deleteAdapter("second");
    expect((await model.adapterFiles(["first"])).get("first/adapter_model.safetensors")).toEqual(
      files.get("adapter_model.safetensors"),
    );
    const { quantized } = await model.quantize({ onProgress: (report) => void progress.push(report) });
    expect(quantized.length).toBe(28);
    expect(progress.at(-1)?.name).toBe(quantized.at(-1)?.path);
    await model.mergeAdapter({ dtype: "f32" });
    await model.unmergeAdapter();
  });

  it("gives errors their name and message, and says what cannot cross", async () => {
    await using model = await engine.loadModel(contents);
    await expect(engine.loadModel({ "config.json": "{}" })).rejects.toThrow("config.json");
    await expect(model.mergeAdapter()).rejects.toThrow("mergeAdapter: the model has no adapter; call addAdapter");
    await expect(model.addAdapter({ peftType: "NONE" })).rejects.toThrow("there is no method NONE");
    const broken = { logitsProcessor: (logits: Float32Array) => logits };
    await expect(model.generateText("one", broken as never)).rejects.toThrow(
      "generateText: logitsProcessor is a function, which cannot be sent to the Worker",
    );
    const optimizer = new (class Sgd {})() as never;
    await expect(model.train(examples, { ...training, optimizer })).rejects.toThrow(
      "train: optimizer is a Sgd, whose methods cannot be sent to the Worker",
    );
    await expect(engine.loadModel(memoryFiles(contents) as never)).rejects.toThrow(/source\.\w+ is a function/);
    const onStep = () => {
      throw new RangeError("the page has had enough");
    };
    await expect(model.train(examples, { ...training, onStep })).rejects.toMatchObject({
      name: "RangeError",
      message: "the page has had enough",
    });
    const onText = () => {
      throw new RangeError("no text");
    };
    await expect(model.generateText("one", { maxNewTokens: 50, onText })).rejects.toThrow("no text");
  });

  it("refuses a Worker whose script fails", async () => {
    const broken = new URL("../testing/brokenWorker.ts", import.meta.url);
    await expect(start(broken).then((worker) => connect(worker))).rejects.toThrow(
      /the engine's Worker failed: .*broken/,
    );
  });
});

/** Returns the files of an adapter that changes the output. */
async function saved(): Promise<Map<string, Uint8Array | string>> {
  const base = createModel(config, randomParameters(new Generator(5)));
  return (await getPeftModel(base, lora.with({ initLoraWeights: false }))).adapterFiles();
}
