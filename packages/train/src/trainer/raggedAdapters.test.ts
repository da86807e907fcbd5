import { Generator, init, reference, tensor } from "@lowrank/core";
import { type CausalLM, createModel, parseModelConfig, randomParameters } from "@lowrank/models";
import { raggedHidden } from "@lowrank/models/internal";
import { PagedKVCache } from "@lowrank/nn";
import { getPeftModel, IA3Config, LoraConfig, PrefixTuningConfig } from "@lowrank/peft";
import { beforeAll, expect, it } from "vitest";

beforeAll(() => init(reference()));

const sizes = { vocab_size: 11, hidden_size: 16, intermediate_size: 24, num_hidden_layers: 2, num_attention_heads: 4 };
const config = parseModelConfig({ model_type: "llama", ...sizes, num_key_value_heads: 2, max_position_embeddings: 32 });
const newModel = () => createModel(config, randomParameters(new Generator(5))).eval() as CausalLM;

const ids = (tokens: number[]) => tensor([tokens], { dtype: "i32" });
const tables = [Int32Array.of(3, 1), Int32Array.of(0, 4), Int32Array.of(5, 2)];

function cacheFor(model: CausalLM): PagedKVCache {
  const { layers, keyValueHeads, headDim } = model.attentionSizes;
  return new PagedKVCache({ layers, keyValueHeads, headDim, pages: 6, pageSize: 4 });
}

it("runs rows of several adapters and of the base model in one ragged batch", async () => {
  const lora = new LoraConfig({ r: 2, initLoraWeights: false, targetModules: ["q_proj", "v_proj", "down_proj"] });
  const scaled = { targetModules: ["k_proj", "down_proj"], feedforwardModules: ["down_proj"] };
  const ia3 = new IA3Config({ ...scaled, initIa3Weights: false });
  const peft = await getPeftModel(newModel(), lora, { adapterName: "a", generator: new Generator(1) });
  await peft.addAdapter("b", ia3, { generator: new Generator(2) });
  const model = peft.baseModel;
  const names = ["a", "b", "__base__"];
  const sequences = [
    [4, 9, 2, 1, 5],
    [5, 3, 0, 7, 8],
    [4, 9, 2, 1, 5],
  ];
  // A chunk of each sequence, then one more token of each, in another order.
  const passes = [
    sequences.flatMap((tokens, s) => tokens.slice(0, 4).map((_, position) => [s, position])),
    [2, 0, 1].map((s) => [s, 4]),
  ];
  using cache = cacheFor(model);
  const rows = sequences.map((): number[] => []);
  for (const pass of passes) {
    const batch = {
      tokens: Int32Array.from(pass, ([s, position]) => sequences[s][position]),
      positions: Int32Array.from(pass, ([, position]) => position),
      sequences: Int32Array.from(pass, ([s]) => s),
      tables,
    };
    const adapters = pass.map(([s]) => names[s]);
    using hidden = peft.withAdapterNames(adapters, () => raggedHidden(model, batch, cache));
    const values = [...hidden.dataSync()];
    for (const [n, [s]] of pass.entries()) rows[s].push(...values.slice(n * 16, (n + 1) * 16));
  }
  const plain = sequences.map((tokens, s) => {
    const run = () => model.hidden({ inputIds: ids(tokens) }).dataSync();
    return [...peft.withAdapterNames([names[s]], run)];
  });
  // The first and the last sequence have the same tokens, and the adapters change the outputs.
  expect(Math.abs(plain[0][70] - plain[2][70])).toBeGreaterThan(1e-3);
  const bare = [...peft.withAdapterNames(["__base__"], () => model.hidden({ inputIds: ids(sequences[1]) }).dataSync())];
  expect(Math.abs(plain[1][70] - bare[70])).toBeGreaterThan(1e-3);
  for (const [s, expected] of plain.entries()) {
    for (const [i, value] of expected.entries()) expect(rows[s][i]).toBeCloseTo(value, 5);
  }
});

it("refuses a prompt method's adapter", async () => {
  const peft = await getPeftModel(newModel(), new PrefixTuningConfig({ numVirtualTokens: 3 }));
  using cache = cacheFor(peft.baseModel);
  const batch = { tokens: Int32Array.of(4), positions: Int32Array.of(0), sequences: Int32Array.of(0), tables };
  const run = () => raggedHidden(peft.baseModel, batch, cache);
  expect(run).toThrow("raggedHidden: the model has 3 virtual tokens before each sequence");
  expect(peft.disableAdapter(run).shape).toEqual([1, 1, 16]);
});
