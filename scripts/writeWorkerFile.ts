// Writes the script of the kernels' workers, which is part of @lowrank/wasm as a string, to
// dist/worker.js before the package is packed: one file, for pages whose Content-Security-Policy
// forbids blobs. From packages/wasm.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { workerScript } from "../packages/wasm/src/workerScript.gen.ts";

writeFileSync(join(import.meta.dirname, "../packages/wasm/dist/worker.js"), `${workerScript}\n`);
