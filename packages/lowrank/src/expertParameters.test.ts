import { mergeEqualsUnmerged } from "@lowrank/testing";
import { beforeAll, describe, expect, test } from "vitest";
import {
  type CausalLM,
  createLoraFaOptimizer,
  createModel,
  Generator,
  getPeftModel,
  init,
  LoraConfig,
  type LoraOptions,
  OptionError,
  PeftModel,
  parseModelConfig,
  randomParameters,
  reduceIntruderDimension,
  reference,
  rescaleAdapterScale,
  tensor,
} from "./index.gen.ts";

beforeAll(() => init(reference()));

const sizes = {
  ...{ vocab_size: 19, hidden_size: 16, intermediate_size: 12, moe_intermediate_size: 8, num_hidden_layers: 2 },
  ...{ num_attention_heads: 2, num_key_value_heads: 1, max_position_embeddings: 32, pad_token_id: 0 },
  ...{ num_local_experts: 4, num_experts: 4, num_experts_per_tok: 2, shared_expert_intermediate_size: 8 },
  ...{ head_dim: 8, global_head_dim: 8, enable_moe_block: true, top_k_experts: 2 },
  ...{ hidden_size_per_layer_input: 0, vocab_size_per_layer_input: 19 },
  layer_types: ["full_attention", "full_attention"],
};

const types = ["mixtral", "qwen2_moe", "gemma4_text"] as const;
const newModel = (type: string): CausalLM =>
  createModel(parseModelConfig({ model_type: type, ...sizes }), randomParameters(new Generator(3))).eval();

const rows = [
  [3, 7, 11, 5],
  [6, 9, 2, 8],
];
const both = ["experts.gate_up_proj", "experts.down_proj"];

const adapted = (type: string, options: LoraOptions = {}, seed = 1) =>
  getPeftModel(newModel(type), new LoraConfig({ r: 2, initLoraWeights: false, targetParameters: both, ...options }), {
    generator: new Generator(seed),
    onWarning: () => {},
  });

const logits = (model: Pick<CausalLM, "forward">, ids = rows) => [
  ...(model.forward({ inputIds: tensor(ids, { dtype: "i32" }) }).logits.dataSync() as Float32Array),
];
const close = (a: readonly number[], b: readonly number[]) => {
  for (const [i, x] of a.entries()) expect(b[i]).toBeCloseTo(x, 5);
};
const shapes = (peft: PeftModel) =>
  Object.fromEntries(
    [...peft.adapterTensors()].flatMap(([key, { shape }]) =>
      key.startsWith("base_model.model.model.layers.0.") ? [[key.split("layers.0.")[1], shape]] : [],
    ),
  );

describe("files", () => {
  // The tensors that PEFT 0.21.2 saves for the same models.
  test.each([
    ["mixtral", "mlp.experts", 24, 12],
    ["qwen2_moe", "mlp.experts", 16, 8],
    ["gemma4_text", "experts", 16, 8],
  ])("%s: PEFT's names and shapes, of two parameters and of one", async (type, at, out, width) => {
    const peft = await adapted(type, { rankPattern: { "experts.gate_up_proj": 3 } });
    expect(shapes(peft)).toEqual({
      [`${at}.base_layer.lora_A.weight`]: [12, 16],
      [`${at}.base_layer.lora_B.weight`]: [out, 12],
      [`${at}.lora_A.weight`]: [8, width],
      [`${at}.lora_B.weight`]: [16, 8],
    });
    expect(shapes(await adapted(type, { targetParameters: ["down_proj"], targetModules: [] }))).toMatchObject({
      [`${at}.lora_A.weight`]: [8, width],
      [`${at}.lora_B.weight`]: [16, 8],
    });
  });

  test("a router of Mixtral has the path of transformers", async () => {
    const peft = await adapted("mixtral", { targetParameters: ["gate.weight"] });
    expect(shapes(peft)).toEqual({ "mlp.gate.lora_A.weight": [2, 16], "mlp.gate.lora_B.weight": [4, 2] });
  });

  test.each(types)("%s: saved adapters compute the same, also in half precision", async (type) => {
    const peft = await adapted(type, { targetModules: ["q_proj"], alphaPattern: { "experts.down_proj": 3 } });
    const files = await peft.adapterFiles();
    const again = await PeftModel.fromPretrained(newModel(type), files);
    expect(logits(again)).toEqual(logits(peft));
    expect([...(await again.adapterFiles()).keys()]).toEqual([...files.keys()]);
    const half = await peft.adapterFiles(["default"], { dtype: "bf16" });
    const kept = await PeftModel.fromPretrained(newModel(type), half, { autocastAdapterDtype: false });
    expect([...kept.adapterTensors().values()].every(({ dtype }) => dtype === "bf16")).toBe(true);
    close(logits(await PeftModel.fromPretrained(newModel(type), half)), logits(kept));
  });
});

describe("forward", () => {
  test.each(types)("%s: rows of a batch have their own adapters, or none", async (type) => {
    const peft = await adapted(type);
    await peft.addAdapter("b", new LoraConfig({ r: 3, initLoraWeights: false, targetParameters: ["down_proj"] }), {
      generator: new Generator(2),
    });
    const ids = [...rows, rows[0]];
    const base = peft.disableAdapter(() => logits(peft, [ids[2]]));
    const alone = ["default", "b"].flatMap((name, i) => {
      peft.setAdapter(name);
      return logits(peft, [ids[i]]);
    });
    close(
      [...alone, ...base],
      peft.withAdapterNames(["default", "b", "__base__"], () => logits(peft, ids)),
    );
    expect(alone.slice(0, base.length)).not.toEqual(base);
    close(base, logits(newModel(type), [ids[2]]));
  });

  test.each(types)("%s: a new adapter changes nothing, and its scaling is proportional", async (type) => {
    const fresh = await adapted(type, { initLoraWeights: true });
    expect(logits(fresh)).toEqual(logits(newModel(type)));
    const [once, twice] = [await adapted(type, { loraAlpha: 1 }), await adapted(type, { loraAlpha: 2 })];
    close(
      rescaleAdapterScale(once, 2, () => logits(once)),
      logits(twice),
    );
    close(
      rescaleAdapterScale(once, 0, () => logits(once)),
      logits(newModel(type)),
    );
  });

  test.each(types)("%s: the optimizer of LoRA-FA trains B alone", async (type) => {
    const peft = await adapted(type, { loraAlpha: 1, alphaPattern: { "experts.down_proj": 3 } });
    createLoraFaOptimizer(peft, { lr: 1e-3 });
    const names = [...peft.namedParameters()].flatMap(([name, p]) => (p.requiresGrad ? [name] : []));
    expect(names.every((name) => name.includes("lora_B"))).toBe(true);
  });
});

describe("merging", () => {
  test.each(types)("%s: merged experts compute the same, and are restored", async (type) => {
    const config = new LoraConfig({ r: 2, initLoraWeights: false, targetModules: ["q_proj"], targetParameters: both });
    await mergeEqualsUnmerged(() => newModel(type), config, { inputs: { batch: 2, length: 4, seed: 5 } });
    const peft = await adapted(type, { alphaPattern: { "experts.down_proj": 3 } });
    await peft.addAdapter("b", config, { generator: new Generator(2) });
    const live = logits(peft);
    await peft.mergeAdapter();
    close(live, logits(peft));
    await peft.unmergeAdapter();
    expect(logits(peft)).toEqual(live);
    await peft.mergeAdapter({ adapterNames: ["default", "b"] });
    expect(logits(peft)).not.toEqual(live);
    await peft.unmergeAdapter();
    expect(logits(peft)).toEqual(live);
    close(live, logits(await peft.mergeAndUnload()));
  });

  test("a merge changes all experts' matrices by scaling B A", async () => {
    const peft = await adapted("gemma4_text", { targetParameters: ["down_proj"], targetModules: [] });
    const [a, b] = ["A", "B"].map((letter) => {
      const key = `base_model.model.model.layers.0.experts.lora_${letter}.weight`;
      return [...(peft.adapterTensors().get(key)!.dataSync() as Float32Array)];
    });
    const weightOf = (model: { namedParameters(): Iterable<[string, { dataSync(): unknown }]> }) =>
      new Map(model.namedParameters()).get("model.layers.0.experts.down_proj")!.dataSync() as Float32Array;
    const merged = weightOf(await peft.mergeAndUnload());
    const [experts, rank, inputs] = [4, 2, 8];
    // Row e r + k of A and column k E + e of B belong to expert e.
    for (const [i, before] of weightOf(newModel("gemma4_text")).entries()) {
      const [e, row, column] = [Math.floor(i / (16 * inputs)), Math.floor(i / inputs) % 16, i % inputs];
      let sum = 0;
      for (let k = 0; k < rank; k++) {
        sum += b[row * rank * experts + k * experts + e] * a[(e * rank + k) * inputs + column];
      }
      expect(merged[i]).toBeCloseTo(before + 4 * sum, 5);
    }
  });
});

describe("what is refused", () => {
  const refused = (options: LoraOptions) => adapted("mixtral", { initLoraWeights: true, ...options });

  test.each<[LoraOptions, string]>([
    [{ loraDropout: 0.1 }, "loraDropout is 0.1; it must be 0 with targetParameters"],
    [{ useDora: true }, "useDora is true; it must be left out with targetParameters"],
    [{ loraBias: true }, "loraBias is true; it must be left out with targetParameters"],
    [{ veloraConfig: {} }, "veloraConfig is "],
    [{ kasaConfig: {} }, "kasaConfig is "],
    [{ montecloraConfig: {} }, "montecloraConfig is "],
    [{ useBdlora: { targetModulesBdA: ["q_proj"] } }, "useBdlora is "],
    [{ initLoraWeights: "pissa" }, 'initLoraWeights is "pissa"; it must be true, false or "gaussian" with'],
    [{ initLoraWeights: "mica" }, 'initLoraWeights is "mica"; it must be true, false or "gaussian" with'],
    [{ targetParameters: ["norm.weight"] }, "matches model.norm.weight, a parameter of a RMSNorm; supported are"],
    [{ targetParameters: ["embed_tokens.weight"] }, "a parameter of a Embedding; supported are stacked weights"],
    [{ targetParameters: ["experts.dwn_proj"] }, "did you mean experts.down_proj? it has q_proj.weight"],
    [{ targetModules: ["w1"] }, "experts.0.w1 is named more than once by targetModules"],
  ])("%o", async (options, message) => {
    const failed = refused(options);
    await expect(failed).rejects.toThrow(OptionError);
    await expect(failed).rejects.toThrow(message);
  });

  test("a name that is no list", () => {
    expect(() => new LoraConfig({ targetParameters: "x" as never })).toThrow("must be null or a list of names");
  });

  test("parameters that do not exist, next to some that do, are warned about", async () => {
    const warnings: string[] = [];
    const config = new LoraConfig({ targetParameters: ["down_proj", "up.weight"] });
    await getPeftModel(newModel("mixtral"), config, { onWarning: ({ message }) => warnings.push(message) });
    expect(warnings).toEqual(['these match no target: targetParameters "up.weight"']);
  });

  test("combining and reducing", async () => {
    const peft = await adapted("mixtral");
    await expect(peft.addWeightedAdapter(["default"], [1], "sum")).rejects.toThrow("has targetParameters");
    await expect(reduceIntruderDimension(peft)).rejects.toThrow("has targetParameters");
  });
});

test.each(types)("%s: a hot swap takes the values of a like adapter, and refuses another rank", async (type) => {
  const [peft, other] = [await adapted(type), await adapted(type, {}, 2)];
  await peft.hotswapAdapter(await other.adapterFiles(), "default");
  expect(logits(peft)).toEqual(logits(other));
  const larger = await adapted(type, { r: 3 });
  await expect(peft.hotswapAdapter(await larger.adapterFiles(), "default")).rejects.toThrow("r is 3 in the new files");
  expect(logits(peft)).toEqual(logits(other));
});

test("an adapter of single experts, from before transformers 5, is one of linear layers", async () => {
  const peft = await adapted("mixtral", { targetParameters: null, targetModules: ["w1", "w2", "w3"] });
  const again = await PeftModel.fromPretrained(newModel("mixtral"), await peft.adapterFiles());
  expect([...again.adapterTensors().keys()]).toContain(
    "base_model.model.model.layers.1.block_sparse_moe.experts.3.w2.lora_A.weight",
  );
  expect(logits(again)).toEqual(logits(peft));
});
