import { Generator, init, memory, noGrad, reference, scope, type Tensor, tensor, zeros } from "@lowrank/core";
import { createModel, generate, parseModelConfig, randomParameters } from "@lowrank/models";
import { Linear, Module, Parameter } from "@lowrank/nn";
import { AdaLoraConfig, getPeftModel, LoraConfig, type LoraOptions, PeftModel, type Warning } from "@lowrank/peft";
import { beforeAll, expect, test } from "vitest";

beforeAll(() => init(reference()));

const json = {
  ...{ model_type: "llama", vocab_size: 19, hidden_size: 16, intermediate_size: 12, num_hidden_layers: 3 },
  ...{ num_attention_heads: 2, num_key_value_heads: 1, max_position_embeddings: 32, attention_bias: true },
};
function newModel() {
  const draw = randomParameters(new Generator(5));
  return createModel(parseModelConfig(json), (name, shape) => draw(name, shape, { std: 0.3 })).eval();
}

const ids = [[3, 7, 11, 5, 13, 4]];
const inputs = () => {
  const inputIds = tensor(ids, { dtype: "i32" });
  return { inputIds, labels: inputIds };
};
const logits = (model: { forward(given: ReturnType<typeof inputs>): { logits: { dataSync(): ArrayLike<number> } } }) =>
  noGrad(() => scope(() => Array.from(model.forward(inputs()).logits.dataSync())));

const ranges = [
  [0, 2],
  [1, 3],
] as const;
const options: LoraOptions = {
  ...{ r: 2, targetModules: ["q_proj", "down_proj"], layerReplication: ranges, initLoraWeights: false },
  taskType: "CAUSAL_LM",
};

function expectNear(found: readonly number[], expected: readonly number[]) {
  for (const [i, value] of found.entries()) expect(Math.abs(value - expected[i])).toBeLessThan(2e-5);
}

test("replicas share weights, have their own adapters, and are saved and loaded", async () => {
  const warnings: Warning[] = [];
  const model = newModel();
  const weights = [...model.parameters()];
  const peft = await getPeftModel(model, new LoraConfig(options), { onWarning: (w) => warnings.push(w) });
  expect(warnings).toEqual([]);
  expect([...peft.adapterTensors().keys()].filter((key) => key.includes("q_proj.lora_A"))).toEqual(
    [0, 1, 2, 3].map((i) => `base_model.model.model.layers.${i}.self_attn.q_proj.lora_A.weight`),
  );
  const trained = [...peft.adapterTensors().values()].reduce((sum, { size }) => sum + size, 0);
  const all = weights.reduce((sum, { size }) => sum + size, 0) + trained;
  expect(peft.getNbTrainableParameters()).toMatchObject({ trainable: trained, all });
  scope(() => peft.loss(inputs()).backward());
  const gradients = [...peft.trainableParameters()].map(({ grad }) => grad!.dataSync().some((x) => x !== 0));
  expect(gradients).toEqual(gradients.map(() => true));

  const files = await peft.adapterFiles();
  expect(JSON.parse(String(files.get("adapter_config.json")))).toMatchObject({ layer_replication: ranges });
  const again = await PeftModel.fromPretrained(newModel(), files);
  expect(logits(again)).toEqual(logits(peft));
  expect(await again.adapterFiles()).toEqual(files);
  const [tokens] = await generate(again.baseModel, ids, { maxNewTokens: 5, eosTokenIds: [], generationConfig: null });
  expect(tokens).toHaveLength(5);

  // As in PEFT, the model stays deeper without the adapter.
  expect(peft.disableAdapter(() => [...logits(peft)])).not.toEqual(logits(newModel()));
  expect((peft.unload() as unknown as { config: object }).config).toMatchObject({ numHiddenLayers: 4 });
});

test("a merge gives each replica its own weight, and frees none twice", async () => {
  for (const more of [{}, { bias: "all" }, { useDora: true }] as const) {
    const peft = await getPeftModel(newModel(), new LoraConfig({ ...options, ...more }));
    const live = logits(peft);
    await peft.mergeAdapter();
    expectNear(logits(peft), live);
    peft.unmergeAdapter();
    expect(logits(peft)).toEqual(live);
    const model = await peft.mergeAndUnload();
    expectNear(logits(model), live);
    const [second, third] = [1, 2].map((i) => model.getSubmodule(`model.layers.${i}.self_attn.q_proj`) as Linear);
    expect(second.weight === third.weight).toBe(false);
    const others = [1, 2].map((i) => model.getSubmodule(`model.layers.${i}.self_attn.v_proj`) as Linear);
    expect(others[0].weight === others[1].weight).toBe(true);
  }
  const before = memory().bytes;
  const peft = await getPeftModel(newModel(), new LoraConfig(options));
  const model = await peft.mergeAndUnload();
  for (const parameter of model.parameters()) parameter.dispose();
  expect(memory().bytes).toBe(before);
});

test("replicas share trained biases", async () => {
  for (const bias of ["all", "lora_only"] as const) {
    const peft = await getPeftModel(newModel(), new LoraConfig({ ...options, bias }));
    const [second, third] = [1, 2].map((i) =>
      peft.adapterTensors().get(`base_model.model.model.layers.${i}.self_attn.q_proj.base_layer.bias`),
    );
    expect(second && second === third).toBe(true);
    const again = await PeftModel.fromPretrained(newModel(), await peft.adapterFiles());
    expect(logits(again)).toEqual(logits(peft));
    again.deleteAdapter("default");
  }
});

test("other adapters are for the same layers", async () => {
  const peft = await getPeftModel(newModel(), new LoraConfig(options));
  await peft.addAdapter("same", new LoraConfig(options));
  const warnings: Warning[] = [];
  await peft.addAdapter(
    "ada",
    new AdaLoraConfig({ layerReplication: ranges, totalStep: 9, targetModules: ["v_proj"] }),
  );
  await peft.addAdapter("plain", new LoraConfig({ targetModules: ["v_proj"] }));
  expect([warnings, peft.base_model.adapter("plain").report.matched.length]).toEqual([[], 4]);
  const other = new LoraConfig({ ...options, layerReplication: [[0, 3]] });
  await expect(peft.addAdapter("other", other)).rejects.toThrow(
    'layerReplication replaces the model\'s layers, but adapter "default" is for layers that are replicated as [[0,2],[1,3]]; use another copy of the base model',
  );
  const plain = await getPeftModel(newModel(), new LoraConfig({ targetModules: ["v_proj"] }));
  await expect(plain.addAdapter("other", other)).rejects.toThrow("for layers that are not replicated");
});

test("a failure leaves the model as it was", async () => {
  const model = newModel();
  const before = logits(model);
  const fails = (more: LoraOptions) =>
    expect(getPeftModel(model, new LoraConfig({ ...options, ...more }), { onWarning: () => {} })).rejects;
  await fails({ targetModules: ["absent"] }).toThrow("matches no module");
  await fails({ layerReplication: [[0, 4]] }).toThrow(
    "layerReplication has the range [0, 4], but the model has 3 layers; end at 3 or before",
  );
  await fails({ initLoraWeights: "pissa" }).toThrow(
    "model.layers.1.self_attn.q_proj shares its weight with replicas of its layer; an initialisation that changes",
  );
  const files = await (await getPeftModel(newModel(), new LoraConfig(options))).adapterFiles();
  const config = JSON.parse(String(files.get("adapter_config.json")));
  files.set("adapter_config.json", JSON.stringify({ ...config, layer_replication: [[0, 2]] }));
  await expect(PeftModel.fromPretrained(model, files)).rejects.toThrow("unexpected: base_model.model.model.layers.2");
  expect(logits(model)).toEqual(before);
});

test("values are checked, and an empty list changes nothing", async () => {
  for (const layerReplication of [[[2, 1]], [[0, 1, 2]], [[-1, 1]], [0, 2], "0-2", [[0.5, 1]]]) {
    const config = new LoraConfig({ layerReplication } as never);
    await expect(getPeftModel(newModel(), config)).rejects.toThrow(/^LoraConfig: layerReplication is .*must be null/);
  }
  const peft = await getPeftModel(newModel(), new LoraConfig({ ...options, layerReplication: [] }));
  expect(peft.targetReport!.matched).toHaveLength(6);
  class Own extends Module {
    q_proj = new Linear(new Parameter(zeros([2, 3])));
    forward = (x: Tensor) => this.q_proj.forward(x);
  }
  await expect(getPeftModel(new Own(), new LoraConfig(options))).rejects.toThrow(
    "layerReplication: Own has no method replicateLayers; use it for models that loadModel",
  );
});
