import {
  byteSource,
  Generator,
  init,
  openSafetensors,
  reference,
  type SafetensorsFile,
  type SafetensorsTensor,
  writeSafetensors,
} from "@lowrank/core";
import { memoryFiles } from "@lowrank/files";
import { beforeEach, describe, expect, test } from "vitest";
import { JsonFields } from "../config/jsonFields.ts";
import { randomParameters } from "../model/parameters.ts";
import { createModel, describeModel } from "../registry/build/createModel.ts";
import { parseModelConfig } from "../registry/configs/modelConfig.ts";
import { loadSequenceClassifier } from "./loadEncoder.ts";
import { loadModel } from "./loadModel.ts";
import { checkTies, openWeights } from "./openWeights.ts";
import { parseQuantizationConfig } from "./quantization/parseQuantizationConfig.ts";
import { quantizationConfigToHf } from "./quantization/quantizationConfig.ts";
import { sameTensors } from "./sameTensors.ts";
import { modelFileContents, weightFiles } from "./saveModel.ts";

beforeEach(() => init(reference()));

const tensorOf = (name: string, bytes: number[], dtype = "u8", shape = [bytes.length]): SafetensorsTensor =>
  ({ name, dtype, shape, bytes: Uint8Array.from(bytes) }) as SafetensorsTensor;
const fileOf = (...tensors: SafetensorsTensor[]): Promise<SafetensorsFile> =>
  openSafetensors(byteSource(writeSafetensors(tensors)), "f");

describe("weight files", () => {
  const named = (name: string, bytes: number) => [
    tensorOf(
      name,
      Array.from({ length: bytes }, (_, i) => i),
    ),
  ];
  const shardsOf = async (most: number, ...sizes: number[]) => {
    const parameters = sizes.map((size, i) => named("cab"[i] ?? `x${i}`, size));
    const files = weightFiles(parameters, most);
    const shards = files.filter(([name]) => name.endsWith(".safetensors"));
    const names = await Promise.all(
      shards.map(async ([, content]) => (await openSafetensors(byteSource(content as Uint8Array), "f")).names()),
    );
    return { names, files };
  };

  test("are filled up to the limit, in the order of the parameters", async () => {
    expect((await shardsOf(8, 4, 4, 8)).names).toEqual([["a", "c"].sort().reverse(), ["b"]].map((n) => n.sort()));
    expect((await shardsOf(7, 4, 4, 8)).names).toEqual([["c"], ["a"], ["b"]]);
    expect((await shardsOf(16, 4, 4, 8)).names).toHaveLength(1);
    expect((await shardsOf(15, 4, 4, 8)).names).toHaveLength(2);
    expect((await shardsOf(4, 9, 1, 3)).names.map((one) => one.length)).toEqual([1, 2]);
    expect((await shardsOf(4, 0, 4)).names).toHaveLength(1);
    expect((await shardsOf(4)).files.map(([name]) => name)).toEqual(["model.safetensors"]);
  });

  test("have an index with the file of each tensor and the total size", async () => {
    const { files } = await shardsOf(4, 4, 4);
    const [one, two] = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
    expect(files.map(([name]) => name)).toEqual([one, two, "model.safetensors.index.json"]);
    expect(files[2][1]).toBe(
      `{\n  "metadata": {\n    "total_size": 8\n  },\n  "weight_map": {\n    "a": "${two}",\n    "c": "${one}"\n  }\n}\n`,
    );
  });
});

describe("tied tensors", () => {
  const file = fileOf(
    tensorOf("a", [0, 0, 0, 0, 0, 0, 0, 0], "f32", [2, 1]),
    tensorOf("same", [0, 0, 0, 0, 0, 0, 0, 0], "f32", [2, 1]),
    tensorOf("shape", [0, 0, 0, 0, 0, 0, 0, 0], "f32", [1, 2]),
    tensorOf("dtype", [0, 0, 0, 0, 0, 0, 0, 0], "i32", [2, 1]),
    tensorOf("values", [0, 0, 0, 0, 0, 0, 0, 1], "f32", [2, 1]),
  );

  test("are equal in dtype, shape and bytes", async () => {
    const found = ["same", "shape", "dtype", "values"].map(async (name) => sameTensors(await file, "a", name));
    expect(await Promise.all(found)).toEqual([true, false, false, false]);
  });

  test("are checked if the file has both", async () => {
    const check = async (name: string, of: string) =>
      checkTies(await file, [{ name, of }], (tie) => `${tie.name} is not ${tie.of}`);
    for (const [name, of] of [
      ["a", "same"],
      ["a", "none"],
      ["none", "a"],
    ]) {
      await check(name, of);
    }
    await expect(check("a", "values")).rejects.toThrow("f: a is not values");
  });
});

test("a config that asks for far more tensors than a file has is refused", async () => {
  const open = async (modelType: string, layers: number, tied: boolean) => {
    const config = parseModelConfig({
      ...{ model_type: modelType, num_hidden_layers: layers, tie_word_embeddings: tied, hidden_size: 8, head_dim: 2 },
      ...{ num_attention_heads: 4, num_key_value_heads: 4, intermediate_size: 4, vocab_size: 4 },
    });
    const names = ["model.norm.weight", "model.embed_tokens.weight"];
    const content = writeSafetensors(names.map((name) => tensorOf(name, [1])));
    const count = describeModel(config).parameters.length;
    return { count, opened: openWeights(memoryFiles({ "model.safetensors": content }), config) };
  };
  const most = await open("llama", 133, false);
  expect(most.count).toBe(1000 + 100 * 2);
  expect((await most.opened).names()).toHaveLength(2);
  const more = await open("qwen3", 109, true);
  expect(more.count).toBe(1201);
  await expect(more.opened).rejects.toThrow("holds 2 tensors, and config.json requires many more");
});

describe("a quantization_config", () => {
  const parse = (json: object) => parseQuantizationConfig(new JsonFields(json, "c"));

  test("has the defaults of BitsAndBytesConfig", () => {
    expect(parse({ load_in_4bit: true })).toEqual({ quantType: "fp4", doubleQuant: false, skipModules: [] });
    expect(parse({ load_in_4bit: true, llm_int8_skip_modules: ["a"] })).toMatchObject({ skipModules: ["a"] });
    for (const json of [{}, { load_in_4bit: false, load_in_8bit: true }]) {
      expect(() => parse(json)).toThrow(
        "c: load_in_4bit is not true, and only 4-bit weights can be loaded; load weights that are not quantised, and quantise them with loadModel(..., { quantize: {} })",
      );
    }
    for (const wrong of ["a", [3], ["a", 3]]) {
      expect(() => parse({ load_in_4bit: true, llm_int8_skip_modules: wrong })).toThrow("expected a list of names");
    }
  });

  test("is written as transformers writes it", () => {
    expect(quantizationConfigToHf({ quantType: "nf4", doubleQuant: true, skipModules: ["lm_head"] })).toEqual({
      ...{ _load_in_4bit: true, _load_in_8bit: false, bnb_4bit_compute_dtype: "float32" },
      ...{ bnb_4bit_quant_storage: "uint8", bnb_4bit_quant_type: "nf4", bnb_4bit_use_double_quant: true },
      ...{ llm_int8_enable_fp32_cpu_offload: false, llm_int8_has_fp16_weight: false },
      ...{ llm_int8_skip_modules: ["lm_head"], load_in_4bit: true, load_in_8bit: false, quant_method: "bitsandbytes" },
    });
  });
});

const config = parseModelConfig({
  ...{ model_type: "llama", vocab_size: 20, hidden_size: 64, intermediate_size: 64, num_hidden_layers: 1 },
  ...{ num_attention_heads: 4, max_position_embeddings: 32 },
});
const saved = async () =>
  memoryFiles(await modelFileContents(createModel(config, randomParameters(new Generator(1))), config));

test("the least shard has one byte, and companions go along if they are known", async () => {
  const model = createModel(config, randomParameters(new Generator(1)));
  const own = memoryFiles({ "tokenizer.json": "{}", "other.json": "3" });
  const contents = await modelFileContents(model, config, { maxShardSize: 1, companions: own });
  const count = [...model.namedParameters()].length;
  const shards = Array.from({ length: count }, (_, i) => i + 1).map((i) => String(i).padStart(5, "0"));
  const last = shards.at(-1);
  const names = shards.map((i) => `model-${i}-of-${last}.safetensors`);
  expect([...contents.keys()]).toEqual(["config.json", ...names, "model.safetensors.index.json", "tokenizer.json"]);
  await expect(modelFileContents(model, config, { maxShardSize: 0.5 })).rejects.toThrow(
    "saveModel: maxShardSize is 0.5; it is a number of bytes, 1 or more",
  );
  const both = { ...Object.fromEntries(await modelFileContents(model, config)), "model.safetensors.index.json": "{" };
  expect((await loadModel(memoryFiles(both))).config).toEqual(config);
});

describe("a model that is quantised while it loads", () => {
  const all = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];

  test("reports its layers and bytes, and the progress", async () => {
    const progress: { loaded: number; total: number }[] = [];
    const onProgress = ({ loaded, total }: { loaded: number; total: number }) => progress.push({ loaded, total });
    const { quantization, model } = await loadModel(await saved(), { quantize: { quantType: "nf4" }, onProgress });
    const { quantized, bytesBefore, bytesAfter } = quantization!;
    expect(quantized.map(({ path }) => path).sort()).toEqual(
      all.map((name) => `model.layers.0.${/q_|k_|v_|o_/.test(name) ? "self_attn" : "mlp"}.${name}`).sort(),
    );
    expect(bytesBefore).toBe(7 * 64 * 64 * 4);
    expect(bytesAfter).toBe(quantized.reduce((sum, layer) => sum + layer.bytesAfter, 0));
    const total = [...model.parameters()].reduce((sum, { size }) => sum + 4 * size, 0);
    expect(progress.at(-1)).toEqual({ loaded: total, total });
    expect(progress[0].total).toBe(total);
    expect(progress[0].loaded).toBeLessThan(total);
  });

  test("may have one quantised layer, is saved with it, and in full with a dtype", async () => {
    const skipModules = [...all.filter((name) => name !== "up_proj"), "lm_head"];
    const { model, config: own } = await loadModel(await saved(), { quantize: { quantType: "nf4", skipModules } });
    const contents = await modelFileContents(model, own);
    const json = JSON.parse(contents.get("config.json") as string);
    expect(json).toMatchObject({ torch_dtype: "float32", quantization_config: { bnb_4bit_quant_type: "nf4" } });
    const progress: number[] = [];
    const again = await loadModel(memoryFiles(contents), {
      onProgress: ({ loaded, total }) => void progress.push(loaded, total),
    });
    const name = "model.layers.0.mlp.up_proj.weight";
    expect(new Map(again.model.namedParameters()).get(name)?.dtype).toBe("nf4");
    const file = await openSafetensors(byteSource(contents.get("model.safetensors") as Uint8Array), "f");
    const bytes = file.names().reduce((sum, one) => sum + file.info(one).byteLength, 0);
    expect(progress.slice(-2)).toEqual([bytes, bytes]);

    const full = await modelFileContents(model, own, { dtype: "bf16" });
    const plain = JSON.parse(full.get("config.json") as string);
    expect(plain.torch_dtype).toBe("bfloat16");
    expect(plain).not.toHaveProperty("quantization_config");
    const loaded = await loadModel(memoryFiles(full), { dtype: "auto" });
    const parameters = [...loaded.model.parameters()];
    expect(new Set(parameters.map(({ dtype }) => dtype))).toEqual(new Set(["bf16"]));
    const half = JSON.parse((await modelFileContents(loaded.model, own)).get("config.json") as string);
    expect(half.torch_dtype).toBe("bfloat16");
  });
});

describe("a classifier with a new head", () => {
  const load = async (newHead: object) => loadSequenceClassifier(await saved(), { newHead: newHead as never });

  test("draws the head alone, with seed 0 by default", async () => {
    const { freshParameters, model, config: own } = await load({ labels: 2 });
    expect(freshParameters).toEqual(["score.weight"]);
    expect(own).toMatchObject({ labels: ["LABEL_0", "LABEL_1"], problemType: null });
    const head = (one: typeof model) => [...new Map(one.namedParameters()).get("score.weight")!.dataSync()];
    expect(head((await load({ labels: 2, generator: new Generator(0) })).model)).toEqual(head(model));
    expect(head((await load({ labels: 2, generator: new Generator(1) })).model)).not.toEqual(head(model));
    await expect(loadSequenceClassifier(await saved())).rejects.toThrow("score.weight");
  });

  test("takes the padding token if the config has none", async () => {
    expect((await load({ labels: 1, padTokenId: 3 })).config).toMatchObject({ padTokenId: 3 });
    expect((await load({ labels: 1 })).config).toMatchObject({ padTokenId: null });
    const padded = parseModelConfig({ ...JSON.parse(await (await saved()).readText("config.json")), pad_token_id: 5 });
    const files = memoryFiles(await modelFileContents(createModel(padded, randomParameters(new Generator(1))), padded));
    const given = { newHead: { labels: 1, padTokenId: 3 } };
    expect((await loadSequenceClassifier(files, given)).config).toMatchObject({ padTokenId: 5 });
  });

  test("does not draw tensors below the head", async () => {
    const { "model.safetensors": weights, ...others } = Object.fromEntries(
      await modelFileContents(createModel(config, randomParameters(new Generator(1))), config),
    );
    const file = await openSafetensors(byteSource(weights as Uint8Array), "f");
    const names = file.names().filter((name) => name !== "model.norm.weight");
    const left = writeSafetensors(await Promise.all(names.map(async (name) => ({ name, ...(await file.read(name)) }))));
    const loading = loadSequenceClassifier(memoryFiles({ ...others, "model.safetensors": left }), {
      newHead: { labels: 2 },
    });
    await expect(loading).rejects.toThrow('the tensor "model.norm.weight" is missing');
  });

  test("refuses other options and no labels", async () => {
    await expect(load({ lables: 2 })).rejects.toThrow("newHead: there is no option lables; did you mean labels?");
    for (const labels of [0, []])
      await expect(load({ labels })).rejects.toThrow("newHead: labels is empty; give at least one label");
    expect((await load({ labels: ["a"], problemType: "regression" })).config).toMatchObject({
      ...{ labels: ["a"], problemType: "regression" },
    });
  });
});
