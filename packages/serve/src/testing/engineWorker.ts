// Script of a Worker with an engine for tests. The Worker's name selects the engine.
import { ServingError } from "../api/api.ts";
import { serveEngine } from "../worker/index.ts";
import { PassEngine } from "./passEngine.ts";
import { ScriptedEngine } from "./scriptedEngine.ts";

const node = globalThis.process?.getBuiltinModule?.("node:worker_threads");
const kind = (node?.workerData ?? self.name) as string;

class EndingEngine extends ScriptedEngine {
  override async detokenize(): Promise<string> {
    if (node) process.exit(3);
    setTimeout(() => {
      throw new Error("an engine that ends");
    });
    return new Promise(() => {});
  }
}

const engines: Record<string, () => ScriptedEngine | Promise<ScriptedEngine>> = {
  scripted: () => new ScriptedEngine({ adapters: ["poet"] }),
  many: () => new ScriptedEngine({ words: Array(1000).fill("x") }),
  slow: () => new ScriptedEngine({ delay: 60_000 }),
  short: () => new PassEngine(5),
  long: () => new PassEngine(500),
  ending: () => new EndingEngine({ delay: 60_000 }),
  unmade: () => Promise.reject(new ServingError("unavailable", "there is no model at ./nowhere")),
};
serveEngine(engines[kind]());
