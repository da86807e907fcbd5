import { init } from "@lowrank/core";
import { folderFiles } from "@lowrank/files";
import {
  type CausalLM,
  type LoadedModel,
  type QuantizationConfig,
  readQuantizationConfig,
  type Tokenizer,
} from "@lowrank/models";
import type { QuantizeOptions } from "@lowrank/nn";
import { PeftModel } from "@lowrank/peft";
import { wasm } from "@lowrank/wasm";
import { loadModel } from "../loadModel.ts";

/** How a model is loaded and run. */
interface LoadingOptions {
  threads?: number;
  /** With fused SIMD. */
  wideSimd?: boolean;
  quantize?: QuantizeOptions;
}

/** Loads a model's folder. Throws where it has no tokenizer. */
export async function loadWithTokenizer(
  folder: string,
  { threads = 1, wideSimd = false, quantize }: LoadingOptions = {},
): Promise<LoadedModel & { tokenizer: Tokenizer }> {
  await init(wasm({ threads, wideSimd }));
  const loaded = await loadModel(folder, { quantize });
  const { tokenizer } = loaded;
  if (tokenizer) return { ...loaded, tokenizer };
  throw new Error(`${folder} has no tokenizer.json; copy the one of the model it was made from beside config.json`);
}

/** How the weights in a model's folder are quantised; null where they are not. */
export async function storedQuantization(folder: string): Promise<QuantizationConfig | null> {
  const files = await folderFiles(folder);
  return (await files.has("config.json")) ? readQuantizationConfig(files) : null;
}

/** Puts the adapter of a PEFT folder into `model`, which from then on answers with it. */
export async function useAdapter(
  model: CausalLM,
  folder: string,
  options: { isTrainable?: boolean } = {},
): Promise<PeftModel<CausalLM>> {
  return PeftModel.fromPretrained(model, folder, { ...options, onWarning: warn });
}

/** Says a warning on stderr. */
export function warn(message: string): void {
  console.error(`warning: ${message}`);
}
