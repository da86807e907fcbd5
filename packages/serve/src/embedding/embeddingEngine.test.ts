import { copyInto, Generator, init, noGrad, reference, tensor } from "@lowrank/core";
import { createModel, type ParameterSource, parseClassifierConfig, randomParameters } from "@lowrank/models";
import { Parameter } from "@lowrank/nn";
import { getPeftModel, LoraConfig, PeftModel } from "@lowrank/peft";
import { beforeAll, expect, test } from "vitest";
import { createEngine } from "../engine/createEngine.ts";
import { requestOf } from "../testing/collect.ts";
import { HeldAdapters } from "../testing/heldAdapters.ts";
import { tinyTokenizer } from "../testing/tinyModel.ts";
import { createEmbeddingEngine } from "./embeddingEngine.ts";
import type { EmbeddingEngineOptions } from "./embeddingOptions.ts";

const tokenizer = tinyTokenizer();

beforeAll(() => init(reference()));

function encoder(modelType = "bert", source: ParameterSource = randomParameters(new Generator(1))) {
  const config = parseClassifierConfig({
    ...{ model_type: modelType, num_labels: 2, vocab_size: 98, hidden_size: 16, intermediate_size: 24 },
    ...{ num_hidden_layers: 2, num_attention_heads: 4, max_position_embeddings: 42, pad_token_id: 1 },
  });
  return createModel(config, source).eval();
}

const engineOf = (options: Partial<EmbeddingEngineOptions> = {}) =>
  createEmbeddingEngine({ model: encoder(), tokenizer, servedModelName: "encoder", ...options });

test.each(["bert", "roberta"])("a %s gives the mean over real tokens at length 1", async (type) => {
  const model = encoder(type);
  const engine = await engineOf({ model });
  const texts = ["hello", "other words", "x", "a text of more than sixteen tokens"];
  const { embeddings, tokens } = await engine.embed(texts);
  expect(tokens).toBe(51);
  for (const [i, text] of texts.entries()) {
    const ids = tokenizer.encode(text);
    const hidden = model.hidden({ inputIds: tensor([ids], { dtype: "i32" }) }).dataSync();
    const mean = Array.from({ length: 16 }, (_, d) => ids.reduce((sum, _, t) => sum + hidden[16 * t + d], 0));
    const length = Math.hypot(...mean);
    for (const [d, x] of mean.entries()) expect(Math.abs(embeddings[i][d] - x / length)).toBeLessThan(1e-6);
    // Token ids give the same embedding as their text, and so does a text in its own request.
    expect((await engine.embed([ids])).embeddings).toEqual([embeddings[i]]);
  }
  await engine.close();
});

test("texts of like length share a pass, whichever request they are of", async () => {
  const engine = await engineOf({ maxNumSeqs: 3 });
  const long = "a text of more than sixteen";
  const requests = [["a", long], ["b"], ["c", "d"], [long]].map((texts) => engine.embed(texts));
  await Promise.all(requests);
  // Passes: a b c, both long texts, d.
  expect(await engine.stats()).toMatchObject({
    passes: 3,
    promptTokens: 4 + 54,
    batchRows: 16,
    waiting: 0,
    running: 0,
  });
  const narrow = await engineOf({ maxNumBatchedTokens: 40 });
  await narrow.embed(["a", "b", long, "c"]);
  expect((await narrow.stats()).passes).toBe(3);
});

test("texts that arrive during a pass wait for its end and then share the next pass", async () => {
  const gated = reference();
  const read = gated.read.bind(gated);
  let open = () => {};
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  gated.read = async (...args) => {
    await gate;
    return read(...args);
  };
  await init(gated);
  try {
    const engine = await engineOf();
    const answers = [engine.embed(["a"])];
    while ((await engine.stats()).running === 0) await new Promise((resolve) => setTimeout(resolve));
    for (const text of ["b", "c", "d"]) {
      answers.push(engine.embed([text]));
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    open();
    await Promise.all(answers);
    expect(await engine.stats()).toMatchObject({ passes: 2, batchRows: 3 * 16 });
    await engine.close();
  } finally {
    await init(reference());
  }
});

test("too long an input is refused, or truncated where a request asks for it", async () => {
  const engine = await engineOf({ maxModelLen: 10 });
  const long = "abcdefghijkl";
  await expect(engine.embed(["a", long])).rejects.toMatchObject({
    code: "context_length_exceeded",
    param: "input",
    message:
      "this model's maximum context length is 10 tokens; an input has 12; shorten it, or give truncate_prompt_tokens",
  });
  const whole = await engine.embed(["abcdefghij", "abcd"]);
  const most = await engine.embed([long, tokenizer.encode(long)], { truncatePromptTokens: -1 });
  expect(most).toEqual({ embeddings: [whole.embeddings[0], whole.embeddings[0]], tokens: 20 });
  expect((await engine.embed([long], { truncatePromptTokens: 4 })).embeddings).toEqual([whole.embeddings[1]]);
  for (const truncatePromptTokens of [0, 11, 1.5]) {
    await expect(engine.embed(["a"], { truncatePromptTokens })).rejects.toMatchObject({
      param: "truncate_prompt_tokens",
    });
  }
});

test("an encoder generates nothing, has no adapters, and refuses what it cannot read", async () => {
  const engine = await engineOf();
  expect(await engine.model()).toMatchObject({ task: "embed", maxPositions: 42, vocabSize: 98 });
  const generated = async () => {
    for await (const _ of engine.generate(requestOf()));
  };
  await expect(generated()).rejects.toThrow("encoder gives embeddings; it generates no text");
  await expect(engine.loadAdapter("a", "b")).rejects.toMatchObject({ code: "invalid_request" });
  await expect(engine.embed([[]])).rejects.toMatchObject({ param: "input", code: "invalid_request" });
  await expect(engine.embed([[98]])).rejects.toThrow("the prompt holds 98; the model's token ids are 0 to 97");
  const causal = createEngine({ model: encoder() as never, tokenizer, servedModelName: "encoder" });
  await expect(causal).rejects.toThrow("createEmbeddingEngine serves it");
  await expect(engineOf({ maxModelLen: 43 })).rejects.toThrow(
    "maxModelLen is 43, but the model supports at most 42 positions",
  );
  await expect(engineOf({ maxNumSeqs: 0 })).rejects.toThrow("maxNumSeqs is 0; expected a whole number");
});

test("a full queue refuses, draining lets texts end, and closing refuses those that wait", async () => {
  const full = await engineOf({ maxQueue: 2 });
  const running = full.embed(["a", "b"]);
  await expect(full.embed(["c"])).rejects.toMatchObject({ code: "queue_full", retryAfter: 1 });
  await full.drain();
  expect((await running).embeddings.length).toBe(2);
  await expect(full.embed(["x"])).rejects.toMatchObject({ code: "draining" });
  const closing = await engineOf();
  const waits = expect(closing.embed(["a"])).rejects.toMatchObject({ code: "unavailable" });
  await closing.close();
  await waits;
  await expect(closing.embed(["x"])).rejects.toMatchObject({ code: "unavailable" });
});

test("a model that fails at a text fails that request alone", async () => {
  const random = randomParameters(new Generator(1));
  const model = encoder("bert", (name, shape, start) => {
    if (!name.includes("word_embeddings")) return random(name, shape, start);
    return new Parameter(
      tensor(
        Float32Array.from({ length: 98 * 16 }, (_, i) => (i < 16 ? Number.NaN : 1)),
        { shape },
      ),
    );
  });
  const engine = await engineOf({ model });
  const [bad, good] = await Promise.allSettled([engine.embed([[0]]), engine.embed([[6]])]);
  expect(bad).toMatchObject({ status: "rejected", reason: { code: "unavailable" } });
  expect(good.status).toBe("fulfilled");
});

test("adapters give embeddings of their own, in passes of their own, to the bits of each alone", async () => {
  const files = async (seed: number) => {
    const config = new LoraConfig({ r: 4, initLoraWeights: false, targetModules: ["query", "value", "dense"] });
    const peft = await getPeftModel(encoder(), config, { generator: new Generator(seed) });
    return peft.adapterFiles();
  };
  const registered = [["near", await files(2)] as const, ["far", await files(3)] as const];
  const held: HeldAdapters[] = [];
  const model = encoder();
  const before = [...model.parameters()].length;
  const engine = await engineOf({
    model,
    adapters: (host) => {
      held.push(new HeldAdapters(host, registered));
      return held[0];
    },
  });
  const texts = ["hello", "other words"];
  const names = [null, "near", "far", "near"];
  const answers = await Promise.all(names.map((adapter) => engine.embed(texts, { adapter })));
  expect((await engine.stats()).passes).toBe(3);
  const alone = await (await engineOf()).embed(texts);
  expect(answers[0]).toEqual(alone);
  expect(answers[1]).toEqual(answers[3]);
  for (const [i, [name, adapter]] of registered.entries()) {
    const peft = await PeftModel.fromPretrained(encoder(), adapter, { adapterName: name });
    const own = await createEmbeddingEngine({ model: peft.baseModel, tokenizer, servedModelName: name });
    // Rows with different adapters are summed in another order than rows with one adapter.
    for (const [t, row] of (await own.embed(texts)).embeddings.entries()) {
      for (const [d, x] of row.entries()) expect(Math.abs(answers[1 + i].embeddings[t][d] - x)).toBeLessThan(1e-6);
    }
    expect(answers[1 + i]).not.toEqual(answers[0]);
  }
  await expect(engine.embed(texts, { adapter: "none" })).rejects.toMatchObject({ code: "not_found" });
  await engine.close();
  expect([...model.parameters()].length).toBe(before);
  await expect((await engineOf()).embed(texts, { adapter: "near" })).rejects.toMatchObject({ code: "not_found" });
});

test("an engine without requests has no counts, and embeds only", async () => {
  const before = Math.floor(Date.now() / 1000);
  const engine = await engineOf();
  const { created, ...facts } = await engine.model();
  expect(created).toBeGreaterThanOrEqual(before);
  expect(created).toBeLessThanOrEqual(Date.now() / 1000);
  expect(facts).toEqual({
    ...{ name: "encoder", vocabSize: 98, maxPositions: 42, modelPositions: 42, task: "embed", hasChatTemplate: false },
  });
  expect(await engine.stats()).toEqual({
    ...{ waiting: 0, running: 0, paused: 0, preemptions: 0, passes: 0, batchRows: 0, decodeRows: 0 },
    ...{ promptTokens: 0, cachedTokens: 0, newTokens: 0, pages: { total: 0, used: 0, cached: 0 }, requests: [] },
    adapters: { registered: 0, resident: 0, bytes: 0, hits: 0, loads: 0, evictions: 0, failures: 0 },
  });
  expect(await engine.adapters()).toEqual([]);
  const refusal = { code: "invalid_request", message: "this server has no store of adapters", param: "lora_name" };
  await expect(engine.loadAdapter("a", "a")).rejects.toMatchObject(refusal);
  await expect(engine.unloadAdapter("a")).rejects.toMatchObject(refusal);
  await engine.close();
});

test("embeddings have length 1 also if the model's are short", async () => {
  const model = encoder();
  for (const [name, parameter] of model.namedParameters()) {
    if (!/LayerNorm/.test(name)) continue;
    const values = (await parameter.data()) as Float32Array;
    noGrad(() =>
      copyInto(
        parameter,
        tensor(
          values.map((x) => x / 1000),
          { shape: [...parameter.shape] },
        ),
      ),
    );
  }
  const engine = await engineOf({ model });
  const { embeddings } = await engine.embed(["hello"]);
  expect(Math.abs(Math.hypot(...embeddings[0]) - 1)).toBeLessThan(1e-5);
  await engine.close();
});
