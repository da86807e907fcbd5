import { createEmbeddingEngine, type ServingEngine } from "@lowrank/serve";
import { sayAdapter } from "../backends.ts";
import { loadEncoder } from "../loading.ts";
import type { ServeSettings } from "./serveSettings.ts";

/** Settings that mean nothing to an encoder, and why. */
const refusals: Partial<Record<keyof ServeSettings, string>> = {
  store: "an encoder is served without adapters",
  "max-lora-rank": "an encoder is served without adapters",
  "kv-cache-tokens": "an encoder has no cache",
  activations: "an encoder's weights are not packed",
};

/** Loads an encoder and makes its engine. Throws for settings that mean nothing to one. */
export async function makeEmbeddingEngine(settings: ServeSettings): Promise<ServingEngine> {
  const { model: path, weights } = settings;
  for (const [name, reason] of Object.entries(refusals)) {
    if (settings[name as keyof ServeSettings] !== undefined) throw refused(path, name, reason);
  }
  if (Object.keys(settings.adapters).length > 0)
    throw refused(path, "adapter", "an encoder is served without adapters");
  if (weights === "packed") throw refused(path, "weights packed", "an encoder's weights are not packed");
  const { model, tokenizer, files, backend } = await loadEncoder(path, {
    backend: settings.backend,
    threads: settings.threads,
    wideSimd: settings["wide-simd"],
    batchInvariant: true,
    dtype: weights,
  });
  sayAdapter(backend);
  return createEmbeddingEngine({
    model,
    tokenizer,
    files,
    servedModelName: settings["served-model-name"],
    maxNumSeqs: settings["max-num-seqs"],
    maxNumBatchedTokens: settings["max-num-batched-tokens"],
    maxModelLen: settings["max-model-len"],
    maxQueue: settings["max-pending"],
  });
}

function refused(path: string, option: string, reason: string): Error {
  return new Error(`${path}: ${reason}; leave --${option} out`);
}
