import {
  createModel,
  Generator,
  generate,
  generateText,
  getPeftModel,
  init,
  LoraConfig,
  PrefixTuningConfig,
  parseModelConfig,
  randomParameters,
  reference,
  streamText,
  Tokenizer,
} from "lowrank";
import { beforeEach, expect, it } from "vitest";

beforeEach(() => init(reference()));

const letters = Array.from({ length: 16 }, (_, i) => String.fromCharCode(97 + i));
const tokenizer = new Tokenizer({
  tokenizerJson: {
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, use_regex: true },
    post_processor: null,
    decoder: { type: "ByteLevel" },
    model: { type: "BPE", vocab: Object.fromEntries(letters.map((letter, id) => [letter, id])), merges: [] },
  },
});
const prompts = [[1, 2, 3], [4]];

function tinyModel() {
  const sizes = { hidden_size: 16, intermediate_size: 24, num_hidden_layers: 2, num_attention_heads: 2 };
  const config = { model_type: "llama", vocab_size: 16, max_position_embeddings: 48, ...sizes };
  const draw = randomParameters(new Generator(3));
  return createModel(parseModelConfig(config), (name, shape, start) => {
    return draw(name, shape, "std" in start ? { std: 0.5 } : start);
  }).eval();
}

const configs = {
  lora: () => new LoraConfig({ r: 4, loraAlpha: 32, initLoraWeights: false, targetModules: "all-linear" }),
  prefix: () => new PrefixTuningConfig({ numVirtualTokens: 3, taskType: "CAUSAL_LM" }),
};

it.each(["lora", "prefix"] as const)("a PeftModel generates as its base model with the adapter: %s", async (name) => {
  const model = tinyModel();
  const before = await generate(model, prompts, { maxNewTokens: 8 });
  const peft = await getPeftModel(model, configs[name](), { generator: new Generator(5) });
  for (const options of [{}, { doSample: true, topK: 8, seed: 3 }, { numBeams: 3, numReturnSequences: 2 }]) {
    const settings = { maxNewTokens: 8, ...options };
    const tokens = await generate(peft, prompts, settings);
    expect(tokens).toEqual(await generate(peft.baseModel, prompts, settings));
    const texts = await generateText(peft, tokenizer, prompts, settings);
    expect(texts).toEqual(tokens.map((row) => tokenizer.decode(row)));
  }
  const adapted = await generate(peft, prompts, { maxNewTokens: 8 });
  expect(adapted).not.toEqual(before);
  expect(await peft.disableAdapter(() => generate(peft, prompts, { maxNewTokens: 8 }))).toEqual(before);
  let text = "";
  for await (const piece of streamText(peft, tokenizer, prompts[0], { maxNewTokens: 8 })) text += piece;
  expect(text).toBe(tokenizer.decode(adapted[0]));
});

it("beams beside padding are those of each prompt alone, behind virtual tokens too", async () => {
  const peft = await getPeftModel(tinyModel(), configs.prefix(), { generator: new Generator(5) });
  const options = { maxNewTokens: 7, numBeams: 3, lengthPenalty: 0.5, eosTokenIds: [2] };
  const together = await generate(peft, prompts, options);
  for (const [row, prompt] of prompts.entries()) {
    expect(await generate(peft, [prompt], options)).toEqual([together[row]]);
  }
});
