import { Generator, init, memory, reference } from "@lowrank/core";
import { beforeAll, expect, test } from "vitest";
import { generate } from "../../generation/decoding/generate.ts";
import { PromptCache } from "../../generation/settings/promptCache.ts";
import { randomParameters } from "../../model/parameters.ts";
import { createModel } from "../../registry/build/createModel.ts";
import { parseModelConfig } from "../../registry/configs/modelConfig.ts";

beforeAll(() => init(reference()));

const sizes = {
  ...{ model_type: "lfm2", vocab_size: 19, hidden_size: 16, intermediate_size: 12, num_hidden_layers: 3 },
  ...{ num_attention_heads: 2, num_key_value_heads: 1, max_position_embeddings: 64, eos_token_id: null },
};

function newModel() {
  const config = parseModelConfig({ ...sizes, full_attn_idxs: [1], conv_L_cache: 4 });
  const draw = randomParameters(new Generator(5));
  const model = createModel(config, (name, shape, start) => draw(name, shape, "std" in start ? { std: 0.5 } : start));
  return model.eval();
}

test("a prompt that goes on runs what is new; one that goes back runs again, since convolutions forget", async () => {
  const model = newModel();
  using promptCache = new PromptCache();
  const answer = (prompt: number[], cache?: PromptCache) =>
    generate(model, [prompt], { maxNewTokens: 5, ...(cache && { promptCache: cache }) });
  const prompt = [3, 7, 11, 5];
  const [first] = await answer(prompt, promptCache);
  expect([first]).toEqual(await answer(prompt));
  const longer = [...prompt, ...first, 9, 6];
  expect(await answer(longer, promptCache)).toEqual(await answer(longer));
  // The last generated token was not run, so it is not cached.
  expect(promptCache.reused).toBe(prompt.length + first.length - 1);
  const other = [3, 7, 12, 4];
  expect(await answer(other, promptCache)).toEqual(await answer(other));
  expect(promptCache.reused).toBe(0);
});

test("padded rows and beams give the tokens of each text alone, and caches give back their memory", async () => {
  const model = newModel();
  const before = memory().bytes;
  const prompts = [
    [3, 7, 11, 5, 13],
    [4, 9],
  ];
  for (const options of [{ maxNewTokens: 6 }, { maxNewTokens: 6, numBeams: 3 }]) {
    const together = await generate(model, prompts, options);
    const alone = await Promise.all(prompts.map((prompt) => generate(model, [prompt], options)));
    expect(together).toEqual(alone.flat());
  }
  // The cos and sin tables of 64 positions remain.
  expect(memory().bytes - before).toBe(2 * 64 * 4 * 4);
});

test("convolutions keep rows of the hidden size, and no keys", () => {
  const { attentionSizes } = newModel();
  const own = attentionSizes.perLayer!.map(({ keyValueHeads, headDim, rowWidth }) => [
    keyValueHeads,
    headDim,
    rowWidth,
  ]);
  expect(own).toEqual([
    [0, 8, 16],
    [1, 8, undefined],
    [0, 8, 16],
  ]);
});

test("the MLP is two thirds as wide as said, up to a multiple", () => {
  const width = (more: object) => {
    const config = parseModelConfig({ ...sizes, ...more });
    let rows = 0;
    createModel(config, (name, shape, start) => {
      if (name === "model.layers.0.feed_forward.w1.weight") [rows] = shape;
      return randomParameters(new Generator(1))(name, shape, start);
    });
    return rows;
  };
  expect(width({ block_ff_dim: 100, block_multiple_of: 8 })).toBe(72);
  expect(width({ block_ff_dim: 100, block_multiple_of: 8, block_ffn_dim_multiplier: 1.5 })).toBe(104);
  expect(width({ intermediate_size: 100, block_auto_adjust_ff_dim: false })).toBe(100);
});

test.each<[object, string]>([
  [{ layer_types: ["conv"] }, '"conv" or "full_attention" for each of 3 layers'],
  [{ layer_types: ["conv", "conv", "mamba"] }, 'layer_types is ["conv","conv","mamba"]'],
  [{ full_attn_idxs: [-1] }, "full_attn_idxs is [-1]; expected a list of layers by number"],
  [{ norm_eps: 0 }, "norm_eps is 0"],
])("%o is refused", (more, message) => {
  expect(() => parseModelConfig({ ...sizes, ...more })).toThrow(message);
});

test("adapters cannot wrap the filters of convolutions, which the layer reads itself", () => {
  const filters = [...newModel().namedModules()].filter(([path]) => path.endsWith(".conv.conv"));
  expect(filters.map(([, { layerKind }]) => layerKind)).toEqual([null, null]);
});
