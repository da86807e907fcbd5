import { realpath } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
import {
  type AdapterPlace,
  adapterStore,
  createEmbeddingEngine,
  createEngine,
  type EmbeddingEngineOptions,
  type EngineOptions,
  folderPlace,
  type ManifestText,
  type ServingEngine,
  ServingError,
} from "@lowrank/serve";
import { printAdapter } from "../../cli/loading/backends.ts";
import { loadEncoderWithTokenizer, loadWithTokenizer, warn } from "../../cli/loading/loading.ts";
import { isEncoder } from "../../cli/loading/modelConfig.ts";
import { openStore } from "../../fineTuning/openStore.ts";
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

/**
 * Rethrows an error with the text of its cause added. This text may contain paths or addresses, which operators may see
 * and clients may not.
 */
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

/** Settings that do not apply to an encoder, with the reason. */
const refusals: Partial<Record<keyof ServeSettings, string>> = {
  "kv-cache-tokens": "an encoder has no cache",
  activations: "an encoder's weights are not packed",
};

/** Loads an encoder and creates its engine. Throws for settings that do not apply to an encoder. */
async function makeEmbeddingEngine(
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

/**
 * Returns an adapter storage (`AdapterPlace`) with the adapters of the command line. In it, the path of an adapter is
 * the adapter's name. The manifest is kept in memory only. Throws an error that names the adapter if its folder does
 * not exist.
 */
export async function namedFolders(adapters: Readonly<Record<string, string>>): Promise<AdapterPlace> {
  const folders = new Map<string, { place: AdapterPlace; path: string }>();
  for (const [name, folder] of Object.entries(adapters)) {
    const real = await realpath(resolve(folder)).catch(() => null);
    if (real === null) throw new Error(`adapter ${name}: there is no folder ${folder}; correct its path`);
    folders.set(name, { place: folderPlace(dirname(real)), path: basename(real) });
  }
  let manifest: ManifestText = { text: '{ "discover": true, "adapters": {} }', tag: "0" };
  return {
    label: "the adapters of the command line",
    pathOf(path) {
      if (folders.has(path)) return path;
      // A list of the names would show one key the adapters of others.
      const message = `No adapter found in ${path}; it must be a name that --adapter gives, or start with --store DIR`;
      throw new ServingError("not_found", message, "lora_path");
    },
    adapters: async () => [...folders.keys()],
    async files(path) {
      const folder = folders.get(path);
      return folder ? folder.place.files(folder.path) : null;
    },
    async holds(path, files) {
      const folder = folders.get(path);
      return folder ? folder.place.holds(folder.path, files) : false;
    },
    async read(path, files) {
      const folder = folders.get(path);
      return folder ? folder.place.read(folder.path, files) : null;
    },
    readManifest: async (known) => (known === manifest.tag ? "same" : manifest),
    async writeManifest(text, replaces) {
      if (replaces !== manifest.tag) return null;
      manifest = { text, tag: String(Number(manifest.tag) + 1) };
      return manifest.tag;
    },
  };
}
