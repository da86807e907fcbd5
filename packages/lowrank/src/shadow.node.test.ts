import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { servingProblem } from "@lowrank/serve/internal";
import {
  add,
  affine,
  type CausalLM,
  copyInto,
  createModel,
  crossEntropy,
  evaluate,
  Generator,
  generate,
  getPeftModel,
  init,
  KVCache,
  LoraConfig,
  loadModel,
  matmul,
  noGrad,
  type Parameter,
  PeftModel,
  parseModelConfig,
  randomParameters,
  reference,
  ShadowConfig,
  type ShadowOptions,
  saveModel,
  scope,
  shadowModel,
  slice,
  type Tensor,
  tensor,
} from "lowrank";
import { setAdapterValues } from "lowrank/testing";
import { afterAll, beforeAll, beforeEach, expect, it, test } from "vitest";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lowrank-shadow-"));
});
afterAll(() => rm(folder, { recursive: true }));
beforeEach(() => init(reference()));

const quiet = { onWarning: () => {} };

function tinyModel(fields: Record<string, unknown> = {}, seed = 3): CausalLM {
  const sizes = {
    hidden_size: 16,
    intermediate_size: 24,
    num_hidden_layers: 3,
    num_attention_heads: 2,
    num_key_value_heads: 2,
  };
  const config = { model_type: "llama", vocab_size: 16, max_position_embeddings: 48, ...sizes, ...fields };
  const draw = randomParameters(new Generator(seed));
  return createModel(parseModelConfig(config), (name, shape, start) => {
    return draw(name, shape, "std" in start ? { std: 0.5 } : start);
  }).eval() as CausalLM;
}

async function shadowed(options: ShadowOptions = {}, model = tinyModel()): Promise<PeftModel<CausalLM>> {
  const config = new ShadowConfig({ taskType: "CAUSAL_LM", r: 3, shadowAlpha: 1, ...options });
  const peft = await getPeftModel(model, config, { ...quiet, generator: new Generator(9) });
  setAdapterValues(peft, { kind: "normal", seed: 4 });
  return peft.eval();
}

const rows = [
  [3, 7, 11, 5, 2],
  [6, 9, 2, 8, 1],
];
const batch = (ids: number[][] = rows) => ({ inputIds: tensor(ids, { dtype: "i32" }) });
const labelled = () => ({ ...batch(), labels: tensor(rows, { dtype: "i32" }) });
const values = (x: Tensor): number[] => [...(x.dataSync() as Float32Array)];
const logitsOf = (model: CausalLM | PeftModel<CausalLM>, ids = rows) =>
  values(noGrad(() => model.forward(batch(ids))).logits);

/** Greedy tokens, for each of which the whole sequence runs. */
function greedy(peft: PeftModel<CausalLM>, prompt: readonly number[], steps: number): number[] {
  const all = [...prompt];
  for (let step = 0; step < steps; step++) {
    const last = logitsOf(peft, [all]).slice(-16);
    all.push(last.indexOf(Math.max(...last)));
  }
  return all.slice(prompt.length);
}

const sizes = [{}, { shadowHiddenSize: 8, shadowNumHiddenLayers: 2 }, { targetModules: ["1"] }];

it.each(sizes)("generates with a cache as without one, with padding and beams: %o", async (options) => {
  const peft = await shadowed(options);
  const prompts = [[1, 2, 3], [4]];
  const tokens = await generate(peft, prompts, { maxNewTokens: 6 });
  for (const [row, prompt] of prompts.entries()) expect(tokens[row]).toEqual(greedy(peft, prompt, 6));
  const settings = { maxNewTokens: 6, numBeams: 3 };
  const [beams] = await generate(peft, [[1, 2, 3]], settings);
  peft.baseModel.needsWholeSequences = true;
  expect([beams]).toEqual(await generate(peft, [[1, 2, 3]], settings));
});

it("stores keys and values of both decoders in one cache, and refuses one of the model alone", async () => {
  const model = tinyModel();
  const before = model.createCache(1, 8);
  const peft = await shadowed({}, model);
  expect(() => peft.forward({ ...batch([[1, 2]]), cache: before })).toThrow(
    "Shadow stores keys and values of two decoders, and this cache has those of one; create it with the model's createCache",
  );
  using cache = model.createCache(2, 8);
  expect(cache).toBeInstanceOf(KVCache);
  const part = (start: number, end: number) =>
    values(noGrad(() => peft.forward({ ...batch(rows.map((row) => row.slice(start, end))), cache })).logits);
  part(0, 3);
  const next = part(3, 5);
  expect(cache.length).toBe(5);
  const whole = logitsOf(peft);
  for (const [row] of rows.entries()) {
    const expected = whole.slice((row * 5 + 3) * 16, (row * 5 + 5) * 16);
    for (const [i, x] of expected.entries()) expect(next[row * 32 + i]).toBeCloseTo(x, 4);
  }
  // Truncated, it goes on from the same state.
  cache.truncate(3);
  expect(part(3, 5)).toEqual(next);
});

it("adds the shadow's own loss to that of the model, in training and evaluation", async () => {
  const peft = await shadowed({ auxiliaryLossWeight: 0.5, shadowHiddenSize: 8 });
  const own = await shadowModel(peft).auxiliaryLoss(labelled())!.item();
  const plain = await shadowed({ auxiliaryLossWeight: 0, shadowHiddenSize: 8 });
  const model = await plain.loss(labelled()).item();
  expect(await peft.loss(labelled()).item()).toBeCloseTo(model + 0.5 * own, 5);
  expect(await peft.forward(labelled()).loss!.item()).toBeCloseTo(model + 0.5 * own, 5);
  // The loss of the detached model is the shadow's own.
  const alone = await shadowModel(peft).unloadShadow();
  expect(await alone.loss(labelled()).item()).toBeCloseTo(own, 5);
  // Without a task, there is none.
  const taskless = await shadowed({ taskType: null, shadowHiddenSize: 8, auxiliaryLossWeight: 0.5 });
  expect(shadowModel(taskless).auxiliaryLoss(labelled())).toBeNull();
  expect(await taskless.loss(labelled()).item()).toBeCloseTo(model, 5);
  // Perplexity measures the model alone.
  const examples = rows.map((inputIds) => ({ inputIds, labels: inputIds }));
  expect((await evaluate(peft, examples, { padTokenId: 0, batchSize: 2 })).loss).toBeCloseTo(model, 5);
});

it("has the same gradients with gradient checkpointing, for several passes before a backward pass", async () => {
  const found = [];
  for (const checkpoints of [false, true]) {
    const model = tinyModel();
    const peft = await shadowed({ shadowDropout: 0 }, model);
    if (checkpoints) model.gradientCheckpointingEnable();
    peft.train();
    const other = { inputIds: tensor([[4, 1, 9]], { dtype: "i32" }), labels: tensor([[4, 1, 9]], { dtype: "i32" }) };
    scope(() => add(peft.loss(labelled()), affine(peft.loss(other), { scale: 2 })).backward());
    const gradients = [...peft.namedParameters()].flatMap(([name, { grad }]) => (grad ? [[name, values(grad)]] : []));
    found.push(new Map(gradients as [string, number[]][]));
  }
  const [plain, again] = found;
  expect([...again.keys()]).toEqual([...plain.keys()]);
  for (const [name, expected] of plain) {
    for (const [i, x] of expected.entries()) expect(again.get(name)![i]).toBeCloseTo(x, 4);
  }
});

it("leaves outputs as they are at first, when disabled, and next to another Shadow adapter", async () => {
  const model = tinyModel();
  const base = logitsOf(model);
  const peft = await getPeftModel(model, new ShadowConfig({ taskType: "CAUSAL_LM" }), quiet);
  peft.eval();
  expect(logitsOf(peft)).toEqual(base);
  setAdapterValues(peft, { kind: "normal", seed: 1 });
  const own = logitsOf(peft);
  expect(own).not.toEqual(base);
  expect(peft.disableAdapter(() => logitsOf(peft))).toEqual(base);
  await expect(peft.addAdapter("lora", new LoraConfig({ targetModules: ["q_proj"] }))).rejects.toThrow(
    "model.layers.0.self_attn.q_proj is inside model.layers.0, which is adapted or saved whole",
  );
  // A second adapter on later blocks changes outputs, unlike in PEFT.
  await peft.addAdapter("late", new ShadowConfig({ targetModules: ["2"], initWeights: false }));
  peft.setAdapter("late");
  expect(logitsOf(peft)).not.toEqual(base);
  peft.setAdapter("default");
  expect(logitsOf(peft)).toEqual(own);
  peft.deleteAdapter("late");
  expect(logitsOf(peft)).toEqual(own);
  expect(logitsOf(peft.unload())).toEqual(base);
});

it("trains a copy of a saved embedding with the shadow, and a saved head", async () => {
  const peft = await shadowed({ modulesToSave: ["embed_tokens", "lm_head"] });
  scope(() => peft.loss(labelled()).backward());
  const trained = new Map<string, Parameter>(peft.namedParameters());
  for (const name of ["model.embed_tokens", "lm_head"]) {
    const { grad } = trained.get(`base_model.model.${name}.modules_to_save.default.weight`)!;
    expect(values(grad!).some((x) => x !== 0)).toBe(true);
  }
  await expect(shadowModel(peft).unloadShadow({ copy: true })).rejects.toThrow("leave out copy");
  const alone = await shadowModel(peft).unloadShadow();
  expect(logitsOf(alone)).toHaveLength(2 * 5 * 16);
});

it("returns the shadow as a model that shares tensors, or as a copy that saveModel saves", async () => {
  for (const options of [{}, { shadowHiddenSize: 8 }]) {
    const peft = await shadowed(options);
    const shared = await shadowModel(peft).unloadShadow();
    const copy = await shadowModel(peft).unloadShadow({ copy: true });
    const expected = logitsOf(shared);
    for (const [i, x] of logitsOf(copy).entries()) expect(x).toBeCloseTo(expected[i], 4);
    const [tokens] = await generate(copy, [[1, 2]], { maxNewTokens: 3 });
    expect(tokens).toHaveLength(3);
    const place = join(folder, `copy${Object.keys(options).length}`);
    await saveModel(copy, (copy as unknown as { config: never }).config, place);
    const { model } = await loadModel(place);
    expect(logitsOf(model)).toEqual(logitsOf(copy));
    setAdapterValues(peft, { kind: "normal", seed: 8 });
    expect(logitsOf(shared)).not.toEqual(expected);
    expect(logitsOf(copy)).toEqual(logitsOf(model));
  }
  const lora = await getPeftModel(tinyModel(), new LoraConfig({ targetModules: ["q_proj"] }), quiet);
  expect(() => shadowModel(lora)).toThrow('shadowModel: adapter "default" is LORA; give the name of a Shadow adapter');
});

const window = { head_dim: 8, sliding_window: 4, final_logit_softcapping: 2, query_pre_attn_scalar: 8 };
const attention = ["full_attention", "sliding_attention", "full_attention"];
const architectures: [string, Record<string, unknown>][] = [
  ["gemma2", window],
  ["gpt2", { n_embd: 16, n_layer: 3, n_head: 2, n_positions: 48 }],
  ["gpt_neox", {}],
  ["granite", { logits_scaling: 4, embedding_multiplier: 3 }],
  ["lfm2", { layer_types: ["full_attention", "conv", "full_attention"] }],
  ["gemma4_text", { ...window, global_head_dim: 8, layer_types: attention, hidden_size_per_layer_input: 0 }],
];

test.each(architectures)("generates with a cache, and returns the shadow, of a %s", async (type, fields) => {
  const model = tinyModel({ model_type: type, ...fields });
  const peft = await shadowed({}, model);
  const prompts = [[1, 2, 3, 7, 4, 9], [4]];
  const tokens = await generate(peft, prompts, { maxNewTokens: 5 });
  expect(tokens).toEqual(prompts.map((prompt) => greedy(peft, prompt, 5)));
  const before = logitsOf(peft);
  const own = await shadowModel(peft).auxiliaryLoss(labelled())!.item();
  // As in PEFT, the shadow's logits are the head's outputs, which the model itself limits or scales.
  for (const copy of [false, true]) {
    const alone = await shadowModel(peft).unloadShadow({ copy });
    expect(await alone.loss(labelled()).item()).toBeCloseTo(own, 4);
  }
  expect(logitsOf(peft)).toEqual(before);
});

it("starts its own embedding with zeros for the padding token", async () => {
  const peft = await getPeftModel(tinyModel({ pad_token_id: 5 }), new ShadowConfig({ shareEmbeddings: false }), quiet);
  const parameters = new Map<string, Parameter>(peft.namedParameters());
  const table = values(parameters.get("base_model.shadow_backbone.default.embed_tokens.weight")!);
  const isZero = Array.from({ length: 16 }, (_, row) => table.slice(16 * row, 16 * row + 16).every((x) => x === 0));
  expect(isZero.flatMap((zero, row) => (zero ? [row] : []))).toEqual([5]);
});

it("reads the buffers of a checkpoint", async () => {
  const place = join(folder, "buffers");
  const [type, fields] = architectures.at(-1)!;
  const small = tinyModel({ model_type: type, ...fields, num_hidden_layers: 1, layer_types: ["full_attention"] }, 7);
  const stored = new Map(small.namedBuffers()).get("model.layers.0.layer_scalar")!;
  noGrad(() => copyInto(stored, affine(stored, { scale: 3 })));
  await saveModel(small, (small as unknown as { config: never }).config, place);
  const peft = await getPeftModel(tinyModel(), new ShadowConfig({ taskType: "CAUSAL_LM", shadowModel: place }), quiet);
  const alone = await shadowModel(peft.eval()).unloadShadow();
  expect(values(noGrad(() => alone.hidden(batch())))).toEqual(values(noGrad(() => small.hidden(batch()))));
  expect(values(new Map(alone.namedBuffers()).get("model.layers.0.layer_scalar")!)).toEqual([3]);
});

it("starts from a checkpoint, whose embeddings it does not train, and loads without its weights", async () => {
  const place = join(folder, "checkpoint");
  const small = tinyModel({ model_type: "qwen2", hidden_size: 8, num_hidden_layers: 1 }, 7);
  await saveModel(small, (small as unknown as { config: never }).config, place);
  const peft = await getPeftModel(tinyModel(), new ShadowConfig({ taskType: "CAUSAL_LM", shadowModel: place }), quiet);
  peft.eval();
  const alone = await shadowModel(peft).unloadShadow();
  const hidden = noGrad(() => small.hidden(batch()));
  const parameters = new Map<string, Parameter>(peft.namedParameters());
  const projection = parameters.get("base_model.shadow_projection.default.weight")!;
  expect(values(noGrad(() => alone.hidden(batch())))).toEqual(
    values(noGrad(() => matmul(hidden, projection, { transposeB: true }))),
  );
  expect(parameters.get("base_model.shadow_backbone.default.embed_tokens.weight")!.requiresGrad).toBe(false);
  expect(parameters.get("base_model.shadow_backbone.default.norm.weight")!.requiresGrad).toBe(true);
  const files = await peft.adapterFiles();
  await rm(join(place, "model.safetensors"));
  const again = await PeftModel.fromPretrained(tinyModel(), files, quiet);
  expect(logitsOf(again)).toEqual(logitsOf(peft));
  await expect(shadowed({ shadowModel: place })).rejects.toThrow(
    "has no model.safetensors; save the checkpoint in one safetensors file",
  );
});

it.each<[ShadowOptions, string]>([
  [{ shadowModel: "org/name" }, 'shadowModel "org/name" cannot be read ('],
  [{ shadowModel: "org/name" }, "or hf://org/name for a repository of the hub"],
  [{ targetModules: ["0", "2"] }, "selects model.layers.0 and model.layers.2, and not the blocks between them"],
  [{ targetModules: ["q_proj"] }, "SHADOW adapts block layers only"],
  [{ targetModules: ["7"] }, "layers that can be targeted: model.layers.0, model.layers.1, model.layers.2"],
  [{ shadowNumAttentionHeads: 3 }, "the config of the second decoder"],
])("refuses %o", async (options, message) => {
  await expect(shadowed(options)).rejects.toThrow(message);
});

it("refuses a projection of another shape, and tensors that are missing", async () => {
  const place = join(folder, "projected");
  const small = tinyModel({ hidden_size: 8, num_hidden_layers: 1 }, 7);
  await saveModel(small, (small as unknown as { config: never }).config, place);
  const { config } = await loadModel(place);
  expect(config.modelType).toBe("llama");
  const { readFile } = await import("node:fs/promises");
  const inner = JSON.parse(await readFile(join(place, "config.json"), "utf8"));
  const outer = { model_type: "causal_lm_with_hidden_projection", shadow_model_config: inner };
  await writeFile(join(place, "config.json"), JSON.stringify(outer));
  await expect(shadowed({ shadowModel: place })).rejects.toThrow(
    "lacks the tensor shadow_model.model.embed_tokens.weight; give a decoder with all its tensors",
  );
});

test.each<[string, string]>([
  ["mixtral", "PEFT's files store all experts of a mirror in one tensor; give the folder of a checkpoint"],
  ["bert", "Shadow needs a decoder that was built from its config"],
])("a mirror of a %s is refused", async (type, message) => {
  const fields = { model_type: type, num_local_experts: 2, num_experts_per_tok: 1, num_labels: 2 };
  const model = type === "bert" ? Object.assign(tinyModel(), { secondDecoder: null }) : tinyModel(fields);
  await expect(shadowed({}, model)).rejects.toThrow(message);
});

it("throws stable codes for what it cannot do", async () => {
  const peft = await shadowed();
  await expect(peft.mergeAdapter()).rejects.toMatchObject({
    code: "not_mergeable",
    message: expect.stringContaining("its update depends on the hidden states of a second decoder"),
  });
  expect(() => peft.withAdapterNames(["default", null as never], () => 0)).toThrow(
    expect.objectContaining({
      code: "not_by_row",
      message: expect.stringContaining("runs a second decoder on all rows of a batch"),
    }),
  );
  expect(await servingProblem(new ShadowConfig(), "adapter 'own'", undefined)).toContain(
    "SHADOW runs a second decoder on all rows of a batch, and other rows belong to other requests",
  );
  await expect(shadowed({ taskType: "SEQ_CLS" }).then((one) => shadowModel(one).unloadShadow())).rejects.toThrow(
    "the second decoder of a classifier has no language-model head",
  );
});

test.each<[ShadowOptions, string]>([
  [{ r: 0 }, "r is 0; it must be an integer of at least 1"],
  [{ shadowDropout: 1 }, "shadowDropout is 1"],
  [{ shadowHiddenSize: 0 }, "shadowHiddenSize is 0"],
  [{ shadowModel: "" }, 'shadowModel is ""'],
  [{ shadowModel: "x", shadowHiddenSize: 8 }, "shadowHiddenSize is 8; it must be left out, since the checkpoint"],
  [{ shareEmbeddings: 1 as never }, "shareEmbeddings is 1"],
  [{ auxiliaryLossWeight: Number.NaN }, "auxiliaryLossWeight is null"],
  [{ layersToTransform: [0] } as never, "layersToTransform"],
])("the configuration refuses %o", (options, message) => {
  expect(() => new ShadowConfig(options)).toThrow(message);
});

it("drops elements of the difference in training alone", async () => {
  const peft = await shadowed({ shadowDropout: 0.5 });
  const still = logitsOf(peft);
  peft.train();
  expect(logitsOf(peft)).not.toEqual(still);
  expect(logitsOf(peft)).not.toEqual(logitsOf(peft));
  peft.eval();
  expect(logitsOf(peft)).toEqual(still);
  const plain = await shadowed({ shadowDropout: 0 });
  expect([...plain.namedModules()].filter(([path]) => path.includes("shadow_dropout"))).toEqual([]);
  plain.train();
  expect(logitsOf(plain)).toEqual(still);
});

it("compares with crossEntropy of its hidden states", async () => {
  const peft = await shadowed();
  const alone = await shadowModel(peft).unloadShadow();
  const { logits } = noGrad(() => alone.forward(batch()));
  const predicting = slice(logits, { dim: 1, end: 4 });
  const expected = crossEntropy(predicting, slice(labelled().labels, { dim: 1, start: 1 }));
  expect(await shadowModel(peft).auxiliaryLoss(labelled())!.item()).toBeCloseTo(await expected.item(), 5);
});
