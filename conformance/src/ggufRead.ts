import { createHash } from "node:crypto";
import type { Tensor } from "@lowrank/core";
import { folderFiles } from "@lowrank/files";
import { architectures, loadModel, readModelConfig } from "@lowrank/models";
import type { Findings } from "./compare.ts";
import { ggufLayout } from "./ggufModels.ts";
import type { Python } from "./python.ts";

/**
 * Reads a GGUF file that gguf-py wrote, with all types. Every tensor must equal gguf-py's float32 values bit for bit.
 */
export async function ggufRead(python: Python, folder: string, path: string, seed: number): Promise<Findings> {
  const args = { folder, ...(await ggufLayout(folder)), seed, out: path };
  const hashes = await python.ask<Record<string, string>>("write_gguf", args);
  const config = await readModelConfig(await folderFiles(folder));
  const { sanitize } = architectures().find((one) => one.modelType === config.modelType)!;
  const expected = Object.fromEntries(
    Object.entries(hashes).map(([name, hash]) => [sanitize?.(name, config) ?? name, hash]),
  );
  const { model } = await loadModel(path);
  const tensors = new Map<string, Tensor>([...model.namedParameters(), ...model.namedBuffers()]);
  const problems: string[] = [];
  for (const [name, hash] of Object.entries(expected)) {
    const tensor = tensors.get(name);
    const found =
      tensor &&
      createHash("sha256")
        .update(await tensor.bytes())
        .digest("hex");
    if (found !== hash) problems.push(`${name} is ${found === undefined ? "missing" : "not what gguf-py reads"}`);
  }
  const more = [...tensors.keys()].filter((name) => !(name in expected));
  return { differences: new Map(), problems: [...problems, ...more.map((name) => `${name} is in no file of gguf-py`)] };
}
