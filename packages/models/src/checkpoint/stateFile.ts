import {
  blobSource,
  bytesSource,
  fromBytes,
  isPacked,
  openSafetensors,
  type SafetensorsFile,
  type SafetensorsTensor,
  type Tensor,
  writeSafetensors,
} from "@lowrank/core";
import { type ModelFiles, openFile, openFiles } from "@lowrank/files";
import { writeFile } from "@lowrank/files/internal";
import type { LoadReport, Module } from "@lowrank/nn";
import { checkTies, openSafetensorsFolder } from "./openWeights.ts";

/**
 * The source of a safetensors file: a path or file: URL (Node only), an http(s) address, its content, or files that
 * include a model.safetensors or its shards.
 */
export type SafetensorsSource = string | URL | ArrayBuffer | ArrayBufferView | Blob | ModelFiles;

/**
 * Returns all names of a module's tensors. Each `name` comes with `of`, the first name of the same tensor. The two
 * differ only for a tied tensor, which has several names.
 */
function firstNames(module: Module): { name: string; of: string }[] {
  const first = new Map<Tensor, string>();
  return [...module.stateDict()].map(([name, tensor]) => {
    if (!first.has(tensor)) first.set(tensor, name);
    return { name, of: first.get(tensor) as string };
  });
}

/**
 * Returns a safetensors file with a module's parameters and buffers by path. A tied tensor is stored once. Throws for
 * packed weights, which safetensors cannot store.
 */
export async function toSafetensors(module: Module): Promise<Uint8Array<ArrayBuffer>> {
  const state = module.stateDict();
  const tensors: SafetensorsTensor[] = [];
  for (const { name, of } of firstNames(module)) {
    if (name !== of) continue;
    const tensor = state.get(name) as Tensor;
    const { dtype, shape } = tensor;
    if (isPacked(dtype)) {
      throw new Error(`${name} is ${dtype}, which safetensors cannot hold; dequantize() the module first`);
    }
    tensors.push({ name, dtype, shape, bytes: await tensor.bytes() });
  }
  return writeSafetensors(tensors, { format: "pt" });
}

/**
 * Writes a module's parameters and buffers as a safetensors file (Node only; in a browser use `toSafetensors`).
 * `loadSafetensors` and PyTorch's `load_state_dict` can read it.
 */
export async function saveSafetensors(module: Module, path: string | URL): Promise<void> {
  await writeFile(path, await toSafetensors(module));
}

async function open(source: SafetensorsSource): Promise<SafetensorsFile> {
  if (source instanceof ArrayBuffer || ArrayBuffer.isView(source))
    return openSafetensors(bytesSource(source), "the bytes given");
  if (source instanceof Blob) return openSafetensors(blobSource(source), "the blob given");
  if (typeof source === "string" || source instanceof URL) {
    return openSafetensors(await openFile(source), String(source));
  }
  return openSafetensorsFolder(await openFiles(source));
}

/**
 * Reads a safetensors file into a module's parameters and buffers. Missing or unexpected tensors and wrong shapes are
 * handled and reported as in `Module.loadStateDict`. Throws if the file has different values under the names of a tied
 * tensor.
 */
export async function loadSafetensors(
  module: Module,
  source: SafetensorsSource,
  options: { strict?: boolean } = {},
): Promise<LoadReport> {
  const file = await open(source);
  await checkTies(
    file,
    firstNames(module).filter(({ name, of }) => name !== of),
    ({ name, of }) => `the module ties ${name} to ${of}, and they differ; untie them, or leave one out`,
  );
  const backend = module.stateDict().values().next().value?.storage.backend;
  const read = new Map<string, Tensor>();
  try {
    for (const name of file.names()) {
      const { bytes, shape, dtype } = await file.read(name);
      read.set(name, fromBytes(bytes, shape, dtype, backend));
    }
    return module.loadStateDict(read, options);
  } catch (error) {
    throw new Error(`${file.label}: ${(error as Error).message}`, { cause: error });
  } finally {
    for (const tensor of read.values()) tensor.dispose();
  }
}
