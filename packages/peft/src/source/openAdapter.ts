import { bytesSource, openSafetensors, type SafetensorsFile, writeSafetensors } from "@lowrank/core";
import { filesIn, type ModelFiles, memoryFiles, type OpenOptions, openFiles } from "@lowrank/files";
import type { AdapterSource } from "../config/adapterSource.ts";
import type { AdapterLayout } from "../methods/shared/methodFacts.ts";

/** File names in an adapter's folder, as in PEFT. */
export const adapterFileNames = {
  config: "adapter_config.json",
  weights: "adapter_model.safetensors",
  pickle: "adapter_model.bin",
  card: "README.md",
} as const;

export type { AdapterSource };

/** Options for opening a source. `subfolder` is the folder within the source that contains the adapter. */
export interface OpenSourceOptions extends OpenOptions {
  subfolder?: string;
}

/** Opens the files of an adapter's folder, repository or map. */
export async function openSource(source: AdapterSource, options: OpenSourceOptions = {}): Promise<ModelFiles> {
  const { subfolder, hub, onProgress, signal } = options;
  const place = source instanceof Map ? memoryFiles(source) : (source as string | URL | ModelFiles);
  const files = await openFiles(place, { hub, onProgress, signal });
  return subfolder === undefined ? files : filesIn(files, subfolder);
}

/**
 * Opens an adapter's weights from the safetensors file or, if it is missing, from the `torch.save` file. Only tensors
 * are read from the latter.
 */
export async function openWeights(
  files: ModelFiles,
  { weights, pickle }: Pick<AdapterLayout<never>, "weights" | "pickle"> = adapterFileNames,
): Promise<SafetensorsFile> {
  if ((await files.has(weights)) || !(await files.has(pickle))) {
    return openSafetensors(await files.open(weights), `${weights} of ${files.label}`);
  }
  const label = `${pickle} of ${files.label}`;
  const { readTorch } = await import("../torchFiles/readTorch.ts");
  const tensors = await readTorch(await files.open(pickle), label);
  return openSafetensors(bytesSource(writeSafetensors(tensors)), label);
}
