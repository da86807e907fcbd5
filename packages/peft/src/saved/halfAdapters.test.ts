import { Generator, init, scope, type Tensor } from "@lowrank/core";
import { wasm } from "@lowrank/wasm";
import { beforeAll, expect, test } from "vitest";
import type { PeftConfig } from "../config/peftConfig.ts";
import { LoraConfig, type LoraOptions } from "../methods/lora/loraConfig.ts";
import { IA3Config } from "../methods/vectors/ia3Config.ts";
import { getPeftModel } from "../peftModel/getPeftModel.ts";
import { PeftModel } from "../peftModel/peftModel.ts";
import { logitBits, TinyModel, tinyBatch } from "../testing/tinyModel.ts";

beforeAll(async () => void (await init(await wasm())));

const kept = { autocastAdapterDtype: false } as const;

const lora = (options: Partial<LoraOptions> = {}) =>
  new LoraConfig({ r: 3, initLoraWeights: false, loraBias: true, targetModules: ["up", "down"], ...options });

async function saved(config: PeftConfig, dtype: "f16" | "bf16" | "f32"): Promise<Map<string, Uint8Array | string>> {
  const peft = await getPeftModel(new TinyModel().eval(), config, { generator: new Generator(3) });
  return peft.adapterFiles(["default"], { dtype });
}

const load = async (files: Map<string, Uint8Array | string>, options = {}) =>
  PeftModel.fromPretrained(new TinyModel().eval(), files, options);

const numbers = (t: Tensor) => [...t.dataSync()].map(Number);

function rows(peft: PeftModel<TinyModel>): number[] {
  return peft.withAdapterNames(["default", "__base__"], () => numbers(scope(() => peft.forward(tinyBatch()).logits)));
}

test.each(["f16", "bf16"] as const)("%s stays so in memory, and gives what f32 of its numbers gives", async (dtype) => {
  const files = await saved(lora(), dtype);
  const [half, full] = [await load(files, kept), await load(files)];
  const dtypes = (peft: PeftModel<TinyModel>) => new Set([...peft.adapterTensors().values()].map((t) => t.dtype));
  expect([dtypes(half), dtypes(full)]).toEqual([new Set([dtype]), new Set(["f32"])]);
  expect(rows(half)).toEqual(rows(full));
  const logits = (peft: PeftModel<TinyModel>) => numbers(scope(() => peft.forward(tinyBatch()).logits));
  const apart = logits(half).map((x, i) => Math.abs(x - logits(full)[i]));
  expect(Math.max(...apart)).toBeLessThan(1e-5);
  expect(await half.adapterFiles()).toEqual(files);
  expect(await full.adapterFiles()).toEqual(files);
  await Promise.all([half.mergeAdapter(), full.mergeAdapter()]);
  expect(await logitBits(half)).toEqual(await logitBits(full));
  half.unmergeAdapter();
  expect(await half.adapterFiles()).toEqual(files);
  expect(await logitBits(half.unload())).toEqual(await logitBits(new TinyModel().eval()));
});

test("half precision that cannot stay is refused by name, and changes nothing", async () => {
  const dora = lora({ useDora: true, loraBias: false });
  await expect(load(await saved(dora, "f16"), kept)).rejects.toThrow("LORA with these options computes in f32");
  const ia3 = new IA3Config({ targetModules: ["up"], feedforwardModules: [], initIa3Weights: false });
  await expect(load(await saved(ia3, "bf16"), kept)).rejects.toThrow("IA3 with these options computes in f32");
  const table = lora({ targetModules: ["embed_tokens"], loraBias: false });
  await expect(load(await saved(table, "f16"), kept)).rejects.toThrow("embed_tokens: LoRA on an embedding");
  await expect(load(await saved(lora(), "f16"), { ...kept, isTrainable: true })).rejects.toThrow("training needs f32");
  const peft = await load(await saved(lora(), "f16"), kept);
  const before = await logitBits(peft);
  await expect(peft.hotswapAdapter(await saved(lora(), "f16"))).rejects.toThrow("is kept in half precision");
  expect(await logitBits(peft)).toEqual(before);
  expect((await load(await saved(dora, "f32"), kept)).activeAdapter).toBe("default");
});

test("an adapter is loaded while rows with adapters run, which see nothing of it", async () => {
  const files = await saved(lora(), "f16");
  const peft = await load(files);
  const before = rows(peft);
  const trained = [...peft.trainableParameters()].length;
  await peft.withAdapterNames(["default", "__base__"], async () => {
    const pass = () => numbers(scope(() => peft.forward(tinyBatch()).logits));
    const loading = peft.loadAdapter(files, "next", kept);
    const other = new Map([
      ["adapter_config.json", files.get("adapter_config.json")!],
      ["adapter_model.safetensors", new Uint8Array(16)],
    ]);
    for (let turn = 0; turn < 40; turn++) {
      expect(pass()).toEqual(before);
      await Promise.resolve();
    }
    await loading;
    await expect(peft.loadAdapter(other, "broken")).rejects.toThrow();
    expect(pass()).toEqual(before);
    peft.deleteAdapter("next");
    expect(pass()).toEqual(before);
    expect(() => peft.deleteAdapter("default")).toThrow("inside of withAdapterNames");
    await peft.loadAdapter(files, "next", kept);
  });
  const loading = peft.loadAdapter(files, "third");
  expect(rows(peft)).toEqual(before);
  await loading;
  expect(peft.activeAdapter).toBe("default");
  expect([...peft.trainableParameters()].length).toBe(trained);
  expect(
    peft.withAdapterNames(["next", "third"], () => numbers(scope(() => peft.forward(tinyBatch()).logits))).slice(0, 55),
  ).toEqual(before.slice(0, 55));
});
