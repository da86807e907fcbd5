import {
  createModel,
  Generator,
  generate,
  getPeftModel,
  init,
  KVCache,
  LoraConfig,
  noGrad,
  parseModelConfig,
  randomParameters,
  reference,
  tensor,
  XLoraConfig,
  xloraModel,
} from "lowrank";
import { beforeEach, expect, it } from "vitest";

beforeEach(() => init(reference()));

const prompts = [[1, 2, 3], [4]];

function tinyModel() {
  const sizes = { hidden_size: 16, intermediate_size: 24, num_hidden_layers: 2, num_attention_heads: 2 };
  const config = { model_type: "llama", vocab_size: 16, max_position_embeddings: 48, ...sizes };
  const draw = randomParameters(new Generator(3));
  return createModel(parseModelConfig(config), (name, shape, start) => {
    return draw(name, shape, "std" in start ? { std: 0.5 } : start);
  }).eval();
}

async function expert(seed: number) {
  const config = new LoraConfig({ r: 4, loraAlpha: 32, initLoraWeights: false, targetModules: "all-linear" });
  return (await getPeftModel(tinyModel(), config, { generator: new Generator(seed) })).adapterFiles();
}

async function mixture() {
  const adapters = { "0": await expert(1), "1": await expert(2) };
  return getPeftModel(tinyModel(), new XLoraConfig({ hiddenSize: 16, adapters }), { generator: new Generator(9) });
}

const ids = (rows: number[][]) => ({ inputIds: tensor(rows, { dtype: "i32" }) });

it("generates as forward passes over the whole sequence do, with padding and beams", async () => {
  const peft = await mixture();
  const tokens = await generate(peft, prompts, { maxNewTokens: 6 });
  for (const [row, prompt] of prompts.entries()) {
    const all = [...prompt];
    for (let step = 0; step < 6; step++) {
      const { logits } = peft.forward(ids([all]));
      const last = (logits.dataSync() as Float32Array).subarray(-16);
      all.push(last.indexOf(Math.max(...last)));
    }
    expect(tokens[row]).toEqual(all.slice(prompt.length));
  }
  expect(xloraModel(peft).getLatestScalings()?.shape).toEqual([1, 6, 14, 2]);
  const beams = await generate(peft, prompts, { maxNewTokens: 4, numBeams: 2 });
  expect(beams.map((row) => row.length)).toEqual([4, 4]);
  const base = await generate(tinyModel(), prompts, { maxNewTokens: 6 });
  expect(tokens).not.toEqual(base);
  expect(await peft.disableAdapter(() => generate(peft, prompts, { maxNewTokens: 6 }))).toEqual(base);
});

it("refuses a cache that has tokens, and gradient checkpointing", async () => {
  const peft = await mixture();
  using cache = peft.baseModel.createCache(1, 8);
  expect(cache).toBeInstanceOf(KVCache);
  noGrad(() => peft.forward({ ...ids([[1, 2]]), cache }));
  expect(() => noGrad(() => peft.forward({ ...ids([[3]]), cache }))).toThrow("X-LoRA reads whole sequences");
  peft.train();
  peft.baseModel.gradientCheckpointingEnable();
  expect(() => peft.loss({ ...ids([[1, 2]]), labels: tensor([[1, 2]], { dtype: "i32" }) })).toThrow(
    "call gradientCheckpointingDisable on the model",
  );
});

it("an error in a pass leaves the next one as it should be", async () => {
  const peft = await mixture();
  const before = peft.forward(ids([[1, 2, 3]])).logits.dataSync();
  expect(() => peft.forward(ids([[1, 99]]))).toThrow();
  expect(peft.forward(ids([[1, 2, 3]])).logits.dataSync()).toEqual(before);
});
