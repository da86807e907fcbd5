import type { LoadModelOptions } from "@lowrank/models";
import type { OnWarning } from "@lowrank/peft";
import type { Remote } from "comlink";
import type { EngineHost } from "./engineHost.ts";
import type { ModelHost } from "./modelHost.ts";
import { RemoteModel } from "./remoteModel.ts";
import { placeOf, type RemoteSource, type RemoteStorage, storageOf } from "./remoteSource.ts";
import { sendOptions } from "./wire.ts";

/** Options for `loadModel`, as in "lowrank". */
export type RemoteLoadOptions = LoadModelOptions;

/** Engine that runs in a Worker. Its methods send calls to the Worker. */
export class RemoteEngine {
  readonly #host: Remote<EngineHost>;
  readonly #terminate: () => void;

  constructor(host: Remote<EngineHost>, terminate: () => unknown) {
    this.#host = host;
    this.#terminate = terminate as () => void;
  }

  /** Loads a model in the Worker. Call `release` to free it. */
  async loadModel(source: RemoteSource, options: RemoteLoadOptions = {}): Promise<RemoteModel> {
    const { wire, end } = sendOptions("loadModel", options, ["onProgress"]);
    try {
      const host = await this.#host.loadModel(placeOf("loadModel", source) as never, wire);
      return new RemoteModel(host as unknown as Remote<ModelHost>);
    } finally {
      end();
    }
  }

  /**
   * Returns the name of the newest complete checkpoint in a folder; null if it holds none. Incomplete checkpoints are
   * skipped with a warning.
   */
  async getLastCheckpoint(folder: RemoteStorage, options: { onWarning?: OnWarning } = {}): Promise<string | null> {
    const place = storageOf("getLastCheckpoint", folder);
    const { wire, end } = sendOptions("getLastCheckpoint", options, ["onWarning"]);
    try {
      return await this.#host.getLastCheckpoint(place as never, wire);
    } finally {
      end();
    }
  }

  /** Returns the bytes of the engine's tensors, now and at their peak. */
  async memory(): Promise<{ bytes: number; peakBytes: number }> {
    return this.#host.memory();
  }

  /** Terminates the Worker and frees all that it holds. Running calls never settle. */
  close(): void {
    this.#terminate();
  }
}
