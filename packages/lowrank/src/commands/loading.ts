import { init } from "@lowrank/core";
import type { CausalLM, LoadedModel, Tokenizer } from "@lowrank/models";
import { PeftModel } from "@lowrank/peft";
import { wasm } from "@lowrank/wasm";
import { loadModel } from "../loadModel.ts";

/** Loads a model's folder, to run on `threads` threads or with fused SIMD. Throws where it has no tokenizer. */
export async function loadWithTokenizer(
  folder: string,
  { threads = 1, wideSimd = false }: { threads?: number; wideSimd?: boolean } = {},
): Promise<LoadedModel & { tokenizer: Tokenizer }> {
  await init(wasm({ threads, wideSimd }));
  const loaded = await loadModel(folder);
  const { tokenizer } = loaded;
  if (tokenizer) return { ...loaded, tokenizer };
  throw new Error(`${folder} has no tokenizer.json; copy the one of the model it was made from beside config.json`);
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
