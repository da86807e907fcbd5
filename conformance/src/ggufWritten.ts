import { basename, dirname } from "node:path";
import { folderFiles, writeFolder } from "@lowrank/files";
import { type GgufDType, toGguf, writeGguf } from "@lowrank/models";
import type { Findings } from "./compare.ts";
import { ggufLayout } from "./ggufModels.ts";
import type { Python } from "./python.ts";

/**
 * A folder that Lowrank wrote as a GGUF file: gguf-py reads in it the bytes that it
 * makes of the weights itself.
 */
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
