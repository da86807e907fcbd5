import { createHash } from "node:crypto";
import { folderFiles } from "@lowrank/files";
import { architectures, loadModel, readModelConfig } from "@lowrank/models";
import type { Findings } from "./compare.ts";
import { ggufLayout } from "./ggufModels.ts";
import type { Python } from "./python.ts";

/**
 * A GGUF file that gguf-py wrote, in all types at once: every tensor is the float32 that
 * gguf-py reads, to the bit.
 */
export async function ggufRead(python: Python, folder: string, path: string, seed: number): Promise<Findings> {
  const args = { folder, ...(await ggufLayout(folder)), seed, out: path };
  const hashes = await python.ask<Record<string, string>>("write_gguf", args);
  const { modelType } = await readModelConfig(await folderFiles(folder));
  const { sanitize } = architectures().find((one) => one.modelType === modelType)!;
  const expected = Object.fromEntries(Object.entries(hashes).map(([name, hash]) => [sanitize?.(name) ?? name, hash]));
  const parameters = new Map((await loadModel(path)).model.namedParameters());
  const problems: string[] = [];
  for (const [name, hash] of Object.entries(expected)) {
    const parameter = parameters.get(name);
    const found =
      parameter &&
      createHash("sha256")
        .update(await parameter.bytes())
        .digest("hex");
    if (found !== hash) problems.push(`${name} is ${found === undefined ? "missing" : "not what gguf-py reads"}`);
  }
  const more = [...parameters.keys()].filter((name) => !(name in expected));
  return { differences: new Map(), problems: [...problems, ...more.map((name) => `${name} is in no file of gguf-py`)] };
}
