import { type Backend, init } from "@lowrank/core";
import { type CausalLM, type LoadModelOptions, loadModel } from "@lowrank/models";
import { adapterStore, createEngine, type EngineOptions, folderPlace, type ServingEngine } from "@lowrank/serve";

/** Options of a benchmark's engine, including options of `createEngine`. */
export interface BenchEngineOptions extends Partial<EngineOptions> {
  readonly backend: Backend;
  readonly load?: LoadModelOptions;
  /** A folder of adapter folders that requests name, and the adapters' maximum memory in bytes. */
  readonly store?: { readonly folder: string; readonly bytes: number };
}

/** An engine that is closed when its `await using` block ends. */
export interface BenchEngine extends AsyncDisposable {
  readonly engine: ServingEngine;
  readonly vocabSize: number;
}

/** Loads a model and starts an engine on it in this thread. */
export async function startEngine(source: string, given: BenchEngineOptions): Promise<BenchEngine> {
  const { backend, load, store, ...options } = given;
  await init(backend);
  const { model, tokenizer } = await loadModel(source, load);
  const engine = await createEngine({
    model: model as CausalLM,
    tokenizer: tokenizer!,
    servedModelName: "bench",
    ...options,
    ...(store && { adapters: adapterStore({ place: folderPlace(store.folder), maxAdapterBytes: store.bytes }) }),
  });
  return {
    engine,
    vocabSize: (model as CausalLM).vocabSize,
    async [Symbol.asyncDispose]() {
      await engine.close();
      for (const parameter of model.parameters()) parameter.dispose();
    },
  };
}
