import {
  CartridgeConfig,
  type CausalLM,
  composeCartridgeAdapters,
  createModel,
  Generator,
  getPeftModel,
  init,
  initializeKvPrefixFromPastKeyValues,
  initializeKvPrefixFromText,
  LoraConfig,
  memoryFiles,
  noGrad,
  type PeftConfig,
  PeftModel,
  PrefixTuningConfig,
  PromptTuningConfig,
  parseModelConfig,
  promptEmbeddingsFromPastKeyValues,
  randomParameters,
  reference,
  scope,
  tensor,
} from "lowrank";
import { beforeEach, describe, expect, it, test } from "vitest";

beforeEach(() => init(reference()));

const quiet = { onWarning: () => {} };

function tinyModel(layers = 2): CausalLM {
  const sizes = { hidden_size: 16, intermediate_size: 24, num_hidden_layers: layers, num_attention_heads: 4 };
  const rest = { model_type: "llama", vocab_size: 30, max_position_embeddings: 48, num_key_value_heads: 2 };
  const draw = randomParameters(new Generator(3));
  return createModel(parseModelConfig({ ...rest, ...sizes }), (name, shape, start) => {
    return draw(name, shape, "std" in start ? { std: 0.4 } : start);
  }).eval();
}

/** Token i of a text is its i-th letter. Texts begin with the token 29. */
const tokenizer = {
  encode: (text: string, { addSpecialTokens = true } = {}) => [
    ...(addSpecialTokens ? [29] : []),
    ...Array.from(text, (letter) => letter.charCodeAt(0) % 29),
  ],
};
const text = "a cartridge";
const ids = tokenizer.encode(text);

const logits = (model: { forward: CausalLM["forward"] }, rows: readonly number[]) => {
  const inputIds = tensor([[...rows]], { dtype: "i32" });
  return [...(noGrad(() => model.forward({ inputIds })).logits.dataSync() as Float32Array)];
};

/** Returns the logits of `after` with the text before it. */
const withText = (model: CausalLM, after: readonly number[]) =>
  logits(model, [...ids, ...after]).slice(30 * ids.length);

function expectClose(found: readonly number[], expected: readonly number[]) {
  expect(found).toHaveLength(expected.length);
  for (const [i, x] of expected.entries()) expect(found[i]).toBeCloseTo(x, 4);
}

describe.each([
  ["a cartridge", new CartridgeConfig({ numVirtualTokens: ids.length })],
  ["a cartridge without frozen tokens", new CartridgeConfig({ numVirtualTokens: ids.length, numFrozenTokens: 0 })],
  ["prefix tuning", new PrefixTuningConfig({ numVirtualTokens: ids.length })],
])("%s", (_, config) => {
  it("from a text has the outputs of the model with the text before its inputs", async () => {
    const peft = await getPeftModel(tinyModel(), config);
    const trainable = peft.getNbTrainableParameters();
    await initializeKvPrefixFromText(peft, tokenizer, { text });
    expectClose(logits(peft, [4, 7, 1]), withText(tinyModel(), [4, 7, 1]));
    expect(peft.getNbTrainableParameters()).toEqual(trainable);
    const again = await PeftModel.fromPretrained(tinyModel(), await peft.adapterFiles());
    expect(logits(again, [4, 7, 1])).toEqual(logits(peft, [4, 7, 1]));
  });

  it("from a cache takes its first tokens", async () => {
    const peft = await getPeftModel(tinyModel(), config, { adapterName: "own" });
    const model = tinyModel();
    using cache = model.createCache(1, 20);
    noGrad(() => scope(() => void model.forward({ inputIds: tensor([[...ids, 3]], { dtype: "i32" }), cache })));
    initializeKvPrefixFromPastKeyValues(peft, { pastKeyValues: cache, adapterName: "own" });
    expectClose(logits(peft, [4, 7, 1]), withText(model, [4, 7, 1]));
  });
});

test("a chat template makes the text a system message, unless it is off", async () => {
  const chat = {
    ...tokenizer,
    chatTemplate: "a template",
    applyChatTemplate: async ([{ role, content }]: readonly { role: string; content: string }[]) =>
      `${role} ${content}`,
  };
  const rowsOf = async (options: { useChatTemplate?: boolean; maxLength?: number }, given = chat) => {
    const peft = await getPeftModel(tinyModel(), new CartridgeConfig({ numVirtualTokens: 9 }));
    await initializeKvPrefixFromText(peft, given, { text, ...options });
    return logits(peft, [2]);
  };
  const system = tokenizer.encode(`system ${text}`, { addSpecialTokens: false });
  const written = { ...tokenizer, encode: () => system } as unknown as typeof chat;
  expect(await rowsOf({})).toEqual(await rowsOf({}, written));
  expect(await rowsOf({ useChatTemplate: false })).toEqual(await rowsOf({}, tokenizer as unknown as typeof chat));
  await expect(rowsOf({ maxLength: 8 })).rejects.toThrow(
    'the text has 8 tokens, and adapter "default" 9 virtual tokens',
  );
});

test("adapters and caches that do not fit are errors with the fix", async () => {
  const start = (config: PeftConfig, options: object = {}) =>
    getPeftModel(tinyModel(), config, quiet).then((peft) =>
      initializeKvPrefixFromText(peft, tokenizer, { text, ...options }),
    );
  await expect(start(new LoraConfig({ r: 2, targetModules: ["q_proj"] }))).rejects.toThrow(
    'adapter "default" is LORA; give a cartridge, or prefix tuning without prefixProjection',
  );
  await expect(start(new PromptTuningConfig({ numVirtualTokens: 2 }))).rejects.toThrow("is PROMPT_TUNING; give");
  const projected = new PrefixTuningConfig({ numVirtualTokens: 2, prefixProjection: true });
  await expect(start(projected)).rejects.toThrow("is PREFIX_TUNING with a projection; give");
  await expect(start(new CartridgeConfig({ numVirtualTokens: 40 }))).rejects.toThrow("use fewer virtual tokens");
  await expect(start(new CartridgeConfig({ numVirtualTokens: 4 }), { adapterName: "x" })).rejects.toThrow(
    'there is no adapter "x"',
  );
  const peft = await getPeftModel(tinyModel(), new CartridgeConfig({ numVirtualTokens: 4 }));
  const fill = (model: CausalLM, rows: number[][]) => {
    const cache = model.createCache(rows.length, 8);
    noGrad(() => scope(() => void model.forward({ inputIds: tensor(rows, { dtype: "i32" }), cache })));
    return cache;
  };
  using deep = fill(tinyModel(3), [[1, 2, 3, 4]]);
  using two = fill(tinyModel(), [
    [1, 2, 3, 4],
    [1, 2, 3, 4],
  ]);
  using short = fill(tinyModel(), [[1, 2]]);
  const take = (pastKeyValues: typeof deep) => () => initializeKvPrefixFromPastKeyValues(peft, { pastKeyValues });
  expect(take(deep)).toThrow(
    "the cache gives [4,48], and the adapter has [4,32]; fill the cache by the adapter's base",
  );
  expect(take(two)).toThrow("the cache has 2 sequences; give the cache of one sequence");
  expect(take(short)).toThrow("numVirtualTokens is 4, and the cache has 2 tokens; read a longer text");
  expect(() => promptEmbeddingsFromPastKeyValues(short, { numVirtualTokens: 0 })).toThrow(
    "numVirtualTokens is 0; give",
  );
});

async function filesOf(config: PeftConfig, seed: number, dtype?: "f16", layers = 2) {
  const peft = await getPeftModel(tinyModel(layers), config, { ...quiet, generator: new Generator(seed) });
  return peft.adapterFiles(undefined, { dtype });
}

describe("composed cartridges", () => {
  const config = new CartridgeConfig({ numVirtualTokens: 3, numFrozenTokens: 2 });
  const rowsIn = async (files: Parameters<typeof PeftModel.fromPretrained>[1]) => {
    const peft = await PeftModel.fromPretrained(tinyModel(), files, { isTrainable: true });
    const rows = peft.adapterTensors().get("prompt_embeddings") as { dataSync(): unknown };
    return { peft, rows: [...(rows.dataSync() as Float32Array)] };
  };

  it("have the tokens of all, one after the other", async () => {
    const other = new CartridgeConfig({ numVirtualTokens: 2, numFrozenTokens: 0 });
    const parts = [await filesOf(config, 1), await filesOf(other, 2), await filesOf(config, 3)];
    const outputPath = memoryFiles();
    const files = await composeCartridgeAdapters(parts, { outputPath });
    const { peft, rows } = await rowsIn(files);
    const expected = await Promise.all(parts.map(rowsIn));
    expect(rows).toEqual(expected.flatMap((part) => part.rows));
    expect(peft.peftConfig.get("default")).toMatchObject({ numVirtualTokens: 8, numFrozenTokens: 2 });
    expect([...peft.trainableParameters()].map(({ shape }) => shape)).toEqual([[6, 32]]);
    expect((await rowsIn(outputPath)).rows).toEqual(rows);
    expect(logits(peft, [1, 2])).not.toEqual(logits(expected[0].peft, [1, 2]));
  });

  it("keep half precision if all have it, else become f32", async () => {
    const [half, other] = [await filesOf(config, 1, "f16"), await filesOf(config, 2, "f16")];
    const size = async (parts: Parameters<typeof composeCartridgeAdapters>[0]) =>
      ((await composeCartridgeAdapters(parts)).get("adapter_model.safetensors") as Uint8Array).length;
    const [halves, mixed] = [await size([half, other]), await size([half, await filesOf(config, 2)])];
    expect(mixed - halves).toBeGreaterThanOrEqual(2 * 6 * 32);
    const { rows } = await rowsIn(await composeCartridgeAdapters([half, await filesOf(config, 2)]));
    expect(rows.slice(0, 96)).toEqual((await rowsIn(half)).rows);
  });

  it("refuse other adapters", async () => {
    const [one, deep] = [await filesOf(config, 1), await filesOf(config, 1, undefined, 3)];
    const compose = composeCartridgeAdapters;
    await expect(compose([one])).rejects.toThrow("there are 1 adapters; give at least 2");
    await expect(compose([one, deep])).rejects.toThrow(
      /num_layers is 3 in .*, and 2 in .*; give cartridges for the same/,
    );
    const prefix = await filesOf(new PrefixTuningConfig({ numVirtualTokens: 3 }), 1);
    await expect(compose([one, prefix])).rejects.toThrow(/is PREFIX_TUNING; give cartridges/);
  });
});
