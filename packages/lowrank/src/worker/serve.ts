import { type Endpoint, expose, proxy } from "comlink";
import type { EngineHost } from "./engineHost.ts";

/** The first call to the Worker. The engine is loaded there alone: a page takes none of it. */
export interface Served {
  open(): Promise<EngineHost & object>;
}

/** Runs the engine for the page that started this Worker and calls `connect`. */
export function serve(): void {
  const node = globalThis.process?.getBuiltinModule?.("node:worker_threads");
  const port = (node?.parentPort ?? (node ? undefined : globalThis)) as Endpoint | undefined;
  if (!port || "document" in globalThis) {
    throw new Error("serve: this is no Worker; call it in the script that new Worker(...) starts");
  }
  const served: Served = {
    open: async () => {
      const { EngineHost } = await import("./engineHost.ts");
      return proxy(new EngineHost());
    },
  };
  expose(served, port);
}
