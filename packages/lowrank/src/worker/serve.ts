import type { Backend } from "@lowrank/core";
import { type Endpoint, expose, proxy } from "comlink";
import type { ConnectOptions } from "./connect.ts";
import type { EngineHost } from "./engineHost.ts";

/**
 * Object that the Worker exposes to the page. Its method `open` starts the engine. The engine's code is loaded only in
 * the Worker.
 */
export interface Served {
  open(): Promise<EngineHost & object>;
}

/** Creates the backend of an engine from the options that the page gave to `connect`. */
export type StartBackend = (options: ConnectOptions) => Backend | Promise<Backend>;

/**
 * Runs the engine in this Worker for the page that started it and calls `connect`. Default backend: WebAssembly. For
 * another one: `serve((options) => firstAvailable(webgpu, () => wasm(options)))`.
 */
export function serve(startBackend?: StartBackend): void {
  const node = globalThis.process?.getBuiltinModule?.("node:worker_threads");
  // Deno has web Workers in addition to `worker_threads`.
  const isWeb = !node || "WorkerGlobalScope" in globalThis;
  const port = (node?.parentPort ?? (isWeb ? globalThis : undefined)) as Endpoint | undefined;
  if (!port || "document" in globalThis) {
    throw new Error("serve: this code does not run in a Worker; call it in the script that new Worker(...) starts");
  }
  const served: Served = {
    open: async () => {
      const { EngineHost } = await import("./engineHost.ts");
      return proxy(new EngineHost(startBackend));
    },
  };
  expose(served, port);
}
