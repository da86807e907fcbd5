import { type Endpoint, expose } from "comlink";
import { EngineHost } from "./engineHost.ts";

/** Runs the engine for the page that started this Worker and calls `connect`. */
export function serve(): void {
  const node = globalThis.process?.getBuiltinModule?.("node:worker_threads");
  const port = (node?.parentPort ?? (node ? undefined : globalThis)) as Endpoint | undefined;
  if (!port || "document" in globalThis) {
    throw new Error("serve: this is no Worker; call it in the script that new Worker(...) starts");
  }
  expose(new EngineHost(), port);
}
