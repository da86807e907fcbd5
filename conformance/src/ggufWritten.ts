import { basename, dirname } from "node:path";
import { folderFiles, writeFolder } from "@lowrank/files";
import { type GgufDType, toGguf, writeGguf } from "@lowrank/models";
import type { Findings } from "./compare.ts";
import { ggufLayout } from "./ggufModels.ts";
import type { Python } from "./python.ts";

/** Writes a folder as a GGUF file. gguf-py must read the same bytes that it computes from the weights itself. */
export async function ggufWritten(python: Python, base: string, path: string, dtype: GgufDType): Promise<Findings> {
  const contents = await toGguf(await folderFiles(base), { dtype });
  await writeFolder(dirname(path), new Map([[basename(path), writeGguf(contents)]]));
  const problems = await python.ask<string[]>("check_gguf", {
    folder: base,
    file: path,
    dtype,
    ...(await ggufLayout(base)),
  });
  return { differences: new Map(), problems };
}
