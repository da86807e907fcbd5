// Script of the Worker that runs the engine of `lowrank serve`.
import { workerData } from "node:worker_threads";
import { serveEngine } from "@lowrank/serve/worker";
import { loadPlugins } from "../../cli/options/plugins.ts";
import { makeEngine } from "./makeEngine.ts";
import type { ServeSettings } from "./serveSettings.ts";

const { settings, plugins } = workerData as { settings: ServeSettings; plugins: readonly string[] };
serveEngine(loadPlugins(plugins).then(() => makeEngine(settings)));
