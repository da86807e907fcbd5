import { Generator, init } from "@lowrank/core";
import { type CausalLM, type LoadedModel, loadModel, type Tokenizer } from "@lowrank/models";
import { nanoModelFolder } from "@lowrank/nano";
import { getPeftModel, LoraConfig, type LoraOptions } from "@lowrank/peft";
import { type CompletionExample, Trainer, tokenizeExample } from "@lowrank/train";
import { wasm } from "@lowrank/wasm";

/** Files of an adapter by name. */
export type AdapterFiles = Map<string, Uint8Array | string>;

/** Loads Nano, which answers in Python. */
export async function loadNano(): Promise<{ model: CausalLM; tokenizer: Tokenizer }> {
  await init(wasm());
  const { model, tokenizer } = await loadModel(nanoModelFolder);
  return { model, tokenizer: tokenizer as NonNullable<LoadedModel["tokenizer"]> };
}

/** Questions with answers in JavaScript, which an adapter can learn by heart in a few steps. */
export const lesson: readonly CompletionExample[] = [
  { prompt: "print the sum of cost and 7\n", completion: "console.log(cost + 7);" },
  { prompt: "print the sum of price and 5\n", completion: "console.log(price + 5);" },
  { prompt: "print the sum of size and 12\n", completion: "console.log(size + 12);" },
  { prompt: "print the sum of age and 3\n", completion: "console.log(age + 3);" },
];

/** Trains an adapter of Nano on the lesson and returns its files. Nano is left without adapters. */
export async function trainAdapter(
  { model, tokenizer }: { model: CausalLM; tokenizer: Tokenizer },
  steps: number,
  {
    seed = 1,
    examples = lesson,
    ...options
  }: LoraOptions & { seed?: number; examples?: readonly CompletionExample[] } = {},
): Promise<AdapterFiles> {
  const config = new LoraConfig({ r: 4, loraAlpha: 8, targetModules: ["q_proj", "v_proj"], ...options });
  const peft = await getPeftModel(model, config, { generator: new Generator(seed) });
  const tokens = await Promise.all(examples.map((example) => tokenizeExample(tokenizer, example)));
  await new Trainer(peft, tokens, {
    ...{ padTokenId: 0, maxSteps: steps, batchSize: 4, learningRate: 1e-2, betas: [0.9, 0.99], seed },
  }).train();
  const files = await peft.adapterFiles();
  peft.unload();
  return files;
}

/** Returns a copy of an adapter's files with some fields of its configuration replaced. */
export function withConfig(files: AdapterFiles, fields: object): AdapterFiles {
  const json = JSON.parse(String(files.get("adapter_config.json")));
  return new Map(files).set("adapter_config.json", JSON.stringify({ ...json, ...fields }));
}

/** Returns a copy of an adapter's files with some values of its first tensor replaced. */
export function withValues(files: AdapterFiles, values: readonly number[], at = 0): AdapterFiles {
  const bytes = (files.get("adapter_model.safetensors") as Uint8Array).slice();
  const view = new DataView(bytes.buffer);
  const start = 8 + Number(view.getBigUint64(0, true));
  for (const [i, value] of values.entries()) view.setFloat32(start + 4 * (at + i), value, true);
  return new Map(files).set("adapter_model.safetensors", bytes);
}
