import { init, memory } from "@lowrank/core";
import { checkOptions } from "@lowrank/core/internal";
import { type LoadModelOptions, loadModel } from "@lowrank/models";
import type { OnWarning } from "@lowrank/peft";
import { getLastCheckpoint } from "@lowrank/train";
import { wasm } from "@lowrank/wasm";
import { finalizer, proxy } from "comlink";
import type { ConnectOptions } from "./connect.ts";
import { ModelHost } from "./modelHost.ts";
import { openPlace, openStorage, type Place, type StoragePlace } from "./place.ts";
import type { StartBackend } from "./serve.ts";
import { type Wire, withOptions } from "./wire.ts";

/** Engine in the Worker, whose methods the page calls. */
export class EngineHost {
  readonly #startBackend: StartBackend;

  constructor(startBackend: StartBackend = wasm) {
    this.#startBackend = startBackend;
  }

  /** Starts the backend with the options that the page sent. */
  async start(wire: Wire): Promise<void> {
    await withOptions<ConnectOptions, void>(wire, async ({ signal: _, ...options }) => {
      checkOptions<ConnectOptions>("connect", options, { threads: true });
      await init(await this.#startBackend(options));
    });
  }

  /** Returns the bytes of the engine's tensors, now and at their peak. */
  memory(): { bytes: number; peakBytes: number } {
    const { bytes, peakBytes } = memory();
    return { bytes, peakBytes };
  }

  /** Returns the name of the newest complete checkpoint in a folder; null if it holds none. */
  async getLastCheckpoint(folder: StoragePlace, wire: Wire): Promise<string | null> {
    type Options = { onWarning?: OnWarning };
    return withOptions<Options, string | null>(wire, ({ signal: _, ...options }) => {
      checkOptions<Options>("getLastCheckpoint", options, { onWarning: true });
      return getLastCheckpoint(openStorage(folder), options.onWarning);
    });
  }

  /** Loads a model, which stays in memory until the page releases it. */
  async loadModel(place: Place, wire: Wire): Promise<ModelHost & object> {
    return withOptions<LoadModelOptions, ModelHost>(wire, async (options) => {
      const host = new ModelHost(await loadModel(openPlace(place), options));
      // Called when the page has released its handle, or the handle was garbage collected.
      return proxy(Object.assign(host, { [finalizer]: () => host.dispose() }));
    });
  }
}
