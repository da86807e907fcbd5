import { Generator } from "@lowrank/core";
import type { CausalLM } from "@lowrank/models";
import { getPeftModel, IA3Config, LoraConfig, type PeftConfig, PolyConfig } from "@lowrank/peft";

/** Files of an adapter in memory. */
export type FilesInMemory = ReadonlyMap<string, Uint8Array | string>;

const linears = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];
const some = ["q_proj", "v_proj", "down_proj"];

const lora = (r: number, options: object = {}) => {
  return () => new LoraConfig({ r, loraAlpha: 2 * r, initLoraWeights: false, targetModules: linears, ...options });
};

/** Adapters of several methods, ranks and scalings. */
export const tinyConfigs: Readonly<Record<string, () => PeftConfig>> = {
  lora2: lora(2),
  lora8: lora(8, { targetModules: some, loraAlpha: 5 }),
  lora64: lora(64),
  rslora16: lora(16, { useRslora: true }),
  dora4: lora(4, { useDora: true, targetModules: some }),
  poly2: () => new PolyConfig({ r: 2, nSkills: 3, initWeights: false, targetModules: some }),
  ia3: () =>
    new IA3Config({ targetModules: ["k_proj", "down_proj"], feedforwardModules: ["down_proj"], initIa3Weights: false }),
};

/** Returns the files of an adapter with random weights for the model that `create` returns. */
export async function adapterFiles(create: () => CausalLM, config: PeftConfig, seed: number): Promise<FilesInMemory> {
  const peft = await getPeftModel(create(), config, { generator: new Generator(seed) });
  const files = await peft.adapterFiles();
  for (const parameter of peft.parameters()) parameter.dispose();
  return files;
}
