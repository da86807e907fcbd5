import { mergeEqualsUnmerged } from "@lowrank/testing";
import { beforeAll, expect, test } from "vitest";
import {
  createModel,
  Generator,
  getPeftModel,
  init,
  LoraConfig,
  parseModelConfig,
  randomParameters,
  reference,
  tensor,
} from "./index.gen.ts";

beforeAll(() => init(reference()));

const sizes = {
  ...{ vocab_size: 19, hidden_size: 16, intermediate_size: 12, moe_intermediate_size: 8, num_hidden_layers: 2 },
  ...{ num_attention_heads: 2, num_key_value_heads: 1, max_position_embeddings: 32, pad_token_id: 0 },
  ...{ num_local_experts: 4, num_experts: 4, num_experts_per_tok: 2, shared_expert_intermediate_size: 8 },
};

const rows = [
  [3, 7, 11, 5],
  [6, 9, 2, 8],
];

test.each([
  ["mixtral", ["w1", "w2"], "model.layers.1.block_sparse_moe.experts.3.w2.lora_A.weight"],
  ["qwen2_moe", ["gate_proj", "down_proj"], "model.layers.1.mlp.experts.3.down_proj.lora_A.weight"],
])("%s: adapters on experts merge, and rows of a batch have their own", async (modelType, targetModules, name) => {
  const config = parseModelConfig({ model_type: modelType, ...sizes });
  const model = createModel(config, randomParameters(new Generator(3))).eval();
  const options = { r: 2, targetModules, initLoraWeights: false };
  const peft = await getPeftModel(model, new LoraConfig(options), { adapterName: "a", generator: new Generator(1) });
  await peft.addAdapter("b", new LoraConfig(options), { generator: new Generator(2) });
  expect([...peft.adapterTensors("a").keys()].some((key) => key.endsWith(name))).toBe(true);

  const logits = (ids: number[][]) =>
    peft.forward({ inputIds: tensor(ids, { dtype: "i32" }) }).logits.dataSync() as Float32Array;
  const alone = rows.map((row, i) => {
    peft.setAdapter(["a", "b"][i]);
    return [...logits([row])];
  });
  const mixed = peft.withAdapterNames(["a", "b"], () => logits(rows));
  for (const [i, x] of alone.flat().entries()) expect(mixed[i]).toBeCloseTo(x, 5);

  // Experts without tokens are compared too, on random inputs.
  const make = () => createModel(config, randomParameters(new Generator(3)));
  await mergeEqualsUnmerged(make, new LoraConfig(options), { inputs: { batch: 2, length: 4, seed: 5 } });
});
