import type { WasmOptions } from "@lowrank/wasm";
import { type Endpoint, type Remote, wrap } from "comlink";
import type { EngineHost } from "./engineHost.ts";
import { RemoteEngine } from "./remoteEngine.ts";
import type { Served } from "./serve.ts";
import { sendOptions } from "./wire.ts";

/** Web Worker, or a Worker of Node's `worker_threads`. */
export type EngineWorker = Worker | NodeWorker;

/** Members of a `worker_threads` Worker that are used here. */
interface NodeWorker {
  postMessage(message: unknown, transfer?: readonly never[]): void;
  on(event: string, listener: (value: unknown) => void): unknown;
  off(event: string, listener: (value: unknown) => void): unknown;
  terminate(): unknown;
}

/** Options for `connect`: the backend options that can be sent to the Worker. */
export type ConnectOptions = Pick<WasmOptions, "threads">;

/**
 * Starts the engine in a Worker whose script calls `serve`. Rejects if that script cannot be
 * loaded, or throws.
 */
export async function connect(worker: EngineWorker, options: ConnectOptions = {}): Promise<RemoteEngine> {
  const endpoint = "on" in worker ? endpointOf(worker) : worker;
  const { wire, end } = sendOptions("connect", options);
  const failure = failureOf(worker);
  const begin = async () => {
    const host = (await wrap<Served>(endpoint).open()) as unknown as Remote<EngineHost>;
    await host.start(wire);
    return new RemoteEngine(host, () => worker.terminate());
  };
  try {
    return await Promise.race([begin(), failure.promise]);
  } catch (error) {
    worker.terminate();
    throw error;
  } finally {
    failure.stop();
    end();
  }
}

/** Returns a promise that rejects when the Worker's script fails, and a function that stops watching it. */
function failureOf(worker: EngineWorker): { promise: Promise<never>; stop(): void } {
  let stop = () => {};
  const promise = new Promise<never>((_, reject) => {
    const fail = (error: unknown) => {
      // The rejection reports the error; the page would also report it as uncaught.
      if (error instanceof Event) error.preventDefault();
      const found = (error as { message?: string }).message || "its script could not be loaded";
      reject(
        new Error(`the engine's Worker failed: ${found}; its script imports serve of "lowrank/worker", and calls it`),
      );
    };
    if ("on" in worker) {
      worker.on("error", fail);
      stop = () => void worker.off("error", fail);
    } else {
      worker.addEventListener("error", fail);
      stop = () => worker.removeEventListener("error", fail);
    }
  });
  promise.catch(() => {});
  return { promise, stop: () => stop() };
}

/** Adapts a Node Worker to comlink's interface of a web Worker. */
function endpointOf(worker: NodeWorker): Endpoint {
  const listeners = new Map<unknown, (data: unknown) => void>();
  return {
    postMessage: (message, ports) => worker.postMessage(message, ports as never),
    addEventListener: (_, listener) => {
      const listen = (data: unknown) => (listener as (event: object) => void)({ data });
      listeners.set(listener, listen);
      worker.on("message", listen);
    },
    removeEventListener: (_, listener) => {
      const listen = listeners.get(listener);
      if (listen) worker.off("message", listen);
    },
  };
}
