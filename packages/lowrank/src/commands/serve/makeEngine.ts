import { type AdapterPlace, adapterStore, createEngine, type EngineOptions, type ServingEngine } from "@lowrank/serve";
import { printAdapter } from "../../cli/loading/backends.ts";
import { loadWithTokenizer, warn } from "../../cli/loading/loading.ts";
import { isEncoder } from "../../cli/loading/modelConfig.ts";
import { openStore } from "../../fineTuning/openStore.ts";
import { makeEmbeddingEngine } from "./makeEmbeddingEngine.ts";
import { namedFolders } from "./namedFolders.ts";
import type { ServeSettings } from "./serveSettings.ts";

/** Tokens in a page of the KV cache. */
const blockSize = 16;

/**
 * Loads the model, creates its engine, and loads the adapters that the settings name. An encoder gets an engine for
 * embeddings.
 */
export async function makeEngine(settings: ServeSettings): Promise<ServingEngine> {
  const place = await placeOf(settings);
  const adapters =
    place &&
    adapterStore({
      place,
      maxAdapterBytes: settings["adapter-memory"],
      maxLoraRank: settings["max-lora-rank"],
      baseModel: settings.model,
      onWarning: warn,
    });
  const make = (await isEncoder(settings.model)) ? makeEmbeddingEngine : makeTextEngine;
  const engine = await make(settings, adapters);
  for (const [name, path] of Object.entries(settings.adapters)) {
    await engine.loadAdapter(name, settings.store === undefined ? name : path, { replace: true }).catch(withReason);
  }
  return engine;
}

/** Rethrows an error with its cause's text, such as a path or address. Operators may see it; clients may not. */
function withReason(error: Error): never {
  throw error.cause instanceof Error ? new Error(`${error.message}: ${error.cause.message}`, { cause: error }) : error;
}

async function makeTextEngine(settings: ServeSettings, adapters: EngineOptions["adapters"]): Promise<ServingEngine> {
  const { model, tokenizer, backend } = await loadWithTokenizer(settings.model, {
    backend: settings.backend,
    threads: settings.threads,
    wideSimd: settings["wide-simd"],
    batchInvariant: true,
    weights: settings.weights,
    activations: settings.activations,
  });
  printAdapter(backend);
  const tokens = settings["kv-cache-tokens"];
  return createEngine({
    model,
    tokenizer,
    servedModelName: settings["served-model-name"],
    adapters,
    maxNumSeqs: settings["max-num-seqs"],
    maxNumBatchedTokens: settings["max-num-batched-tokens"],
    maxModelLen: settings["max-model-len"],
    blockSize,
    numBlocks: tokens && Math.ceil(tokens / blockSize),
    maxQueue: settings["max-pending"],
  });
}

async function placeOf({ store, adapters }: ServeSettings): Promise<AdapterPlace | undefined> {
  if (store !== undefined) return openStore(store, process.env);
  return Object.keys(adapters).length > 0 ? namedFolders(adapters) : undefined;
}
