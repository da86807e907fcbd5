import {
  bytesSource,
  copyInto,
  full,
  Generator,
  init,
  memory,
  openSafetensors,
  reference,
  resetPeak,
  type SafetensorsTensor,
  scope,
  tensor,
  writeSafetensors,
} from "@lowrank/core";
import { memoryFiles } from "@lowrank/files";
import { Conv1D, dequantize, type Linear, Linear4bit, type QuantizationReport, quantize } from "@lowrank/nn";
import { beforeAll, describe, expect, it } from "vitest";
import { loadModel } from "../checkpoint/loadModel.ts";
import { modelFileContents } from "../checkpoint/saveModel.ts";
import type { ModelConfig } from "../config/architectureConfig.ts";
import type { CausalLM } from "../model/causalLM.ts";
import { randomParameters } from "../model/parameters.ts";
import { createModel } from "../registry/build/createModel.ts";
import { parseModelConfig } from "../registry/configs/modelConfig.ts";

beforeAll(() => init(reference()));

const llama = parseModelConfig({
  ...{ model_type: "llama", vocab_size: 40, hidden_size: 32, intermediate_size: 48, num_hidden_layers: 2 },
  ...{ num_attention_heads: 4, num_key_value_heads: 2, max_position_embeddings: 32 },
});
const gpt2 = parseModelConfig({
  model_type: "gpt2",
  vocab_size: 40,
  n_positions: 16,
  n_embd: 32,
  n_layer: 2,
  n_head: 4,
});
const cases: [string, ModelConfig][] = [
  ["llama", llama],
  ["gpt2", gpt2],
];

const fresh = (config: ModelConfig) => createModel(config, randomParameters(new Generator(2))).eval();
const filesOf = async (model: CausalLM, config: ModelConfig, options = {}) =>
  memoryFiles(await modelFileContents(model, config, options));

async function logits(model: CausalLM): Promise<Float32Array> {
  const inputIds = tensor([[1, 5, 39, 0]], { dtype: "i32" });
  return (await scope(() => model.forward({ inputIds }).logits).data()) as Float32Array;
}

/** Returns the tensors of a folder's model.safetensors. */
async function entriesOf(contents: ReadonlyMap<string, Uint8Array | string>): Promise<SafetensorsTensor[]> {
  const file = await openSafetensors(bytesSource(contents.get("model.safetensors") as Uint8Array));
  return Promise.all(file.names().map(async (name) => ({ name, ...(await file.read(name)) }) as SafetensorsTensor));
}

const packing = { quantType: "nf4", blockSize: 32, doubleQuant: true } as const;

describe.each(cases)("%s", (_name, config) => {
  it("quantised while loading is what quantise makes of it", async () => {
    const files = await filesOf(fresh(config), config);
    const { model, quantization } = await loadModel(files, { quantize: packing });
    const later = fresh(config);
    const report = await quantize(later, packing);
    const sorted = ({ quantized, ...rest }: QuantizationReport) => ({
      ...rest,
      quantized: [...quantized].sort((a, b) => (a.path < b.path ? -1 : 1)),
    });
    expect(sorted(quantization!)).toEqual(sorted(report));
    expect(await logits(model)).toEqual(await logits(later));
    expect([...model.namedModules()].filter(([, m]) => m instanceof Conv1D)).toEqual([]);
  });

  it("is saved as a bitsandbytes checkpoint and loaded again, to the last bit", async () => {
    const model = fresh(config);
    await quantize(model, packing);
    const contents = await modelFileContents(model, config);
    const json = JSON.parse(contents.get("config.json") as string);
    expect(json.quantization_config).toMatchObject({
      quant_method: "bitsandbytes",
      load_in_4bit: true,
      bnb_4bit_quant_type: "nf4",
      bnb_4bit_use_double_quant: true,
      bnb_4bit_quant_storage: "uint8",
      llm_int8_skip_modules: ["lm_head"],
    });
    expect(json.torch_dtype).toBe("float32");
    const loaded = await loadModel(memoryFiles(contents));
    expect(await logits(loaded.model)).toEqual(await logits(model));
    expect(loaded.quantization).toBeNull();
    expect(await modelFileContents(loaded.model, config)).toEqual(contents);
    await expect(loadModel(memoryFiles(contents), { quantize: {} })).rejects.toThrow(
      /is quantised already \(nf4\); load it without quantize/,
    );
  });

  it("keeps the half precision around its weights, which each state names", async () => {
    const wide = await filesOf(fresh(config), config, { dtype: "bf16" });
    const { model } = await loadModel(wide, { dtype: "auto", quantize: packing });
    const contents = await modelFileContents(model, config);
    expect(JSON.parse(contents.get("config.json") as string).torch_dtype).toBe("bfloat16");
    const text = new TextDecoder("latin1").decode(contents.get("model.safetensors") as Uint8Array);
    expect(text.match(/"dtype": "\w+"/g)).toEqual(text.match(/"quant_type": "nf4"/g)?.map(() => '"dtype": "bfloat16"'));
    const again = (await loadModel(memoryFiles(contents), { dtype: "auto" })).model;
    expect(await modelFileContents(again, config)).toEqual(contents);
    expect(await logits(again)).toEqual(await logits(model));
  });

  it("loads codes that another dtype stores, as for training in shards", async () => {
    const model = fresh(config);
    await quantize(model, packing);
    const contents = await modelFileContents(model, config);
    const json = JSON.parse(contents.get("config.json") as string);
    json.quantization_config.bnb_4bit_quant_storage = "bfloat16";
    const tensors = await entriesOf(contents);
    const stored = tensors.map((entry) =>
      entry.dtype === "u8" && entry.name.endsWith(".weight")
        ? { ...entry, dtype: "bf16" as const, shape: [entry.bytes.length / 2, 1] }
        : entry,
    );
    const files = new Map<string, Uint8Array | string>([["config.json", JSON.stringify(json)]]);
    const weights = writeSafetensors(stored, { format: "pt" });
    const { model: loaded } = await loadModel(memoryFiles(new Map([...files, ["model.safetensors", weights]])));
    expect(await logits(loaded)).toEqual(await logits(model));
  });

  it("is written in full, the way the model lies, where a dtype is given or it was dequantised", async () => {
    const model = fresh(config);
    await quantize(model, packing);
    const expected = await logits(model);
    const plain = (await loadModel(await filesOf(model, config, { dtype: "f32" }))).model;
    await dequantize(model);
    const again = (await loadModel(await filesOf(model, config))).model;
    for (const full of [plain, again]) {
      expect([...full.namedModules()].some(([, m]) => m instanceof Linear4bit)).toBe(false);
      const off = (await logits(full)).map((x, i) => Math.abs(x - expected[i]));
      expect(Math.max(...off)).toBeLessThan(1e-6);
    }
  });
});

describe("loading", () => {
  it("never holds more than the quantised model and one tensor in full", async () => {
    const wide = parseModelConfig({
      ...{ model_type: "llama", vocab_size: 16, hidden_size: 64, intermediate_size: 128, num_hidden_layers: 6 },
      ...{ num_attention_heads: 4, max_position_embeddings: 32 },
    });
    const source = fresh(wide);
    const files = await filesOf(source, wide, { dtype: "bf16" });
    for (const parameter of source.parameters()) parameter.dispose();
    const before = memory().bytes;
    resetPeak();
    const { quantization } = await loadModel(files, { quantize: {} });
    const [held, peak] = [memory().bytes - before, memory().peakBytes - before];
    const largest = 128 * 64;
    // The largest tensor as both bf16 and f32, or as both f32 and packed.
    expect(peak).toBeLessThanOrEqual(held + 6 * largest);
    expect(held).toBeLessThan(quantization!.bytesAfter + 4 * (2 * 16 * 64 + 13 * 64) + 1);
    expect(quantization!.bytesBefore).toBeGreaterThan(3 * peak);
  });

  it("refuses what does not belong together, by name", async () => {
    const model = fresh(llama);
    await quantize(model, packing);
    const contents = await modelFileContents(model, llama);
    const json = JSON.parse(contents.get("config.json") as string);
    const load = (config: object) =>
      loadModel(memoryFiles(new Map([...contents, ["config.json", JSON.stringify(config)]])));
    const { quantization_config: quantization, ...bare } = json;
    await expect(load(bare)).rejects.toThrow(
      /weight is quantised by bitsandbytes, but config.json has no quantization_config/,
    );
    const say = (changes: object) => load({ ...bare, quantization_config: { ...quantization, ...changes } });
    await expect(say({ quant_method: "gptq" })).rejects.toThrow(/quant_method is "gptq"; expected "bitsandbytes"/);
    await expect(say({ load_in_4bit: false, load_in_8bit: true })).rejects.toThrow(
      /only 4-bit weights can be loaded.*quantize: \{\}/,
    );
    await expect(say({ bnb_4bit_quant_storage: "int8" })).rejects.toThrow(/bnb_4bit_quant_storage is "int8"/);
    await expect(say({ llm_int8_skip_modules: "lm_head" })).rejects.toThrow(/expected a list of names/);
    const full = new Map([...(await modelFileContents(fresh(llama), llama)), ["config.json", JSON.stringify(json)]]);
    await expect(loadModel(memoryFiles(full))).rejects.toThrow(/but no weight has a quant_state/);
    const files = await filesOf(fresh(llama), llama);
    await expect(loadModel(files, { quantize: { skipModules: ["q_prj"] } })).rejects.toThrow(/did you mean q_proj\?/);
  });

  it("names a weight whose state, or all beside its codes, is gone", async () => {
    const model = fresh(llama);
    await quantize(model, packing);
    const contents = await modelFileContents(model, llama);
    const tensors = await entriesOf(contents);
    const without = (pattern: RegExp) => {
      const weights = writeSafetensors(tensors.filter(({ name }) => !pattern.test(name)));
      return loadModel(memoryFiles(new Map([...contents, ["model.safetensors", weights]])));
    };
    await expect(without(/1.mlp.up_proj.weight.quant_state/)).rejects.toThrow(
      /^model.safetensors of .*1.mlp.up_proj.weight.quant_state.bitsandbytes__nf4 or .* is missing; a bitsandbytes weight has exactly one/,
    );
    await expect(without(/1.mlp.up_proj.weight\./)).rejects.toThrow(
      /"model.layers.1.mlp.up_proj.weight" is U8, not F32, F16, BF16; the file is damaged, or quantised/,
    );
  });

  it("names a weight that holds a NaN", async () => {
    const model = fresh(llama);
    const { weight } = model.getSubmodule("model.layers.1.mlp.up_proj") as Linear;
    const { shape } = weight;
    using nan = full(shape, Number.NaN);
    copyInto(weight.detach(), nan);
    await expect(loadModel(await filesOf(model, llama), { quantize: {} })).rejects.toThrow(
      "model.layers.1.mlp.up_proj.weight: quantize4bit: the elements 0 to 63 hold a NaN or an infinity",
    );
  });

  it("says where layers are quantised in different ways", async () => {
    const model = fresh(llama);
    await quantize(model, { skipModules: ["q_proj", "lm_head"] });
    await quantize(model, {
      quantType: "fp4",
      skipModules: ["k_proj", "v_proj", "o_proj", "mlp", "lm_head"].flatMap((n) =>
        n === "mlp" ? ["gate_proj", "up_proj", "down_proj"] : [n],
      ),
    });
    await expect(modelFileContents(model, llama)).rejects.toThrow(/are quantised in different ways/);
  });
});
