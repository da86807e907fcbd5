import { createEmbeddingEngine, type EmbeddingEngineOptions, type ServingEngine } from "@lowrank/serve";
import { printAdapter } from "../../cli/loading/backends.ts";
import { loadEncoderWithTokenizer } from "../../cli/loading/loading.ts";
import type { ServeSettings } from "./serveSettings.ts";

/** Settings that do not apply to an encoder, with the reason. */
const refusals: Partial<Record<keyof ServeSettings, string>> = {
  "kv-cache-tokens": "an encoder has no cache",
  activations: "an encoder's weights are not packed",
};

/** Loads an encoder and creates its engine. Throws for settings that do not apply to an encoder. */
export async function makeEmbeddingEngine(
  settings: ServeSettings,
  adapters: EmbeddingEngineOptions["adapters"],
): Promise<ServingEngine> {
  const { model: path, weights } = settings;
  for (const [name, reason] of Object.entries(refusals)) {
    if (settings[name as keyof ServeSettings] !== undefined) throw refused(path, name, reason);
  }
  if (weights === "packed") throw refused(path, "weights packed", "an encoder's weights are not packed");
  const { model, tokenizer, files, backend } = await loadEncoderWithTokenizer(path, {
    backend: settings.backend,
    threads: settings.threads,
    wideSimd: settings["wide-simd"],
    batchInvariant: true,
    dtype: weights,
  });
  printAdapter(backend);
  return createEmbeddingEngine({
    model,
    tokenizer,
    files,
    adapters,
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
