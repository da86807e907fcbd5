// Writes the script of the backend's workers to dist/threads/worker.js before the package is packed. Pages whose
// Content-Security-Policy forbids blobs need this separate file. Run it from packages/wasm.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { bundleWorker } from "./bundleWorker.ts";

writeFileSync(join(import.meta.dirname, "../../packages/wasm/dist/threads/worker.js"), `${await bundleWorker()}\n`);
