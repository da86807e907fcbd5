import { Generator, init } from "@lowrank/core";
import { loadModel } from "@lowrank/models";
import { getPeftModel, IA3Config, LoraConfig, type PeftConfig } from "@lowrank/peft";
import { wasm } from "@lowrank/wasm";

/** The files of an adapter, by name. */
export type AdapterFiles = ReadonlyMap<string, Uint8Array | string>;

/** The configurations that are used in turn. */
const configs: readonly (() => PeftConfig)[] = [
  () => new LoraConfig({ ...lora, r: 8 }),
  () => new LoraConfig({ ...lora, r: 2, targetModules: ["q_proj", "v_proj"] }),
  () => new LoraConfig({ ...lora, r: 16, useRslora: true }),
  () => new LoraConfig({ ...lora, r: 4, useDora: true }),
  () => new IA3Config({ initIa3Weights: false }),
];
const lora = { loraAlpha: 16, targetModules: "all-linear", initLoraWeights: false } as const;

/** Makes random adapters for a model: LoRA of several ranks, rsLoRA, DoRA and IA3. */
export async function makeAdapters(model: string, count: number, seed: number): Promise<AdapterFiles[]> {
  await init(wasm());
  const { model: base } = await loadModel(model);
  const made: AdapterFiles[] = [];
  for (let i = 0; i < count; i++) {
    const options = { generator: new Generator(seed + i), onWarning: () => {} };
    const peft = await getPeftModel(base, configs[i % configs.length](), options);
    made.push(await peft.adapterFiles());
    peft.unload();
  }
  return made;
}
