// Writes the table of what each method can do into docs/methods.md. Every action of the table is tried.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { init, wasm } from "lowrank";
import { tryAll, withMatrix } from "./matrix.ts";

await init(wasm({ threads: 1, batchInvariant: true }));
const file = join(import.meta.dirname, "../../docs/methods.md");
writeFileSync(file, withMatrix(readFileSync(file, "utf8"), await tryAll()));
