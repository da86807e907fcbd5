import type { Tensor } from "@lowrank/core";
import { checkDType } from "@lowrank/core/internal";
import { type Module, Parameter } from "@lowrank/nn";
import { adapterContents } from "../files/adapterFiles.ts";
import { unchangedHalfPrecision } from "../files/halfPrecision.ts";
import { isPromptMethod } from "../methods/shared/method.ts";
import type { Adapter, HalfDType } from "../model/adapter/adapter.ts";
import type { Tuner } from "../model/tuner.ts";
import type { AdapterFilesOptions } from "./savedOptions.ts";
import { subtractMutatedInit } from "./subtractMutatedInit.ts";

/** Returns the subfolder in which an adapter is saved. Undefined for "default", which is saved at the top. */
export function folderOf(name: string): string | undefined {
  return name === "default" ? undefined : name;
}

/** Returns the contents of the adapters' files by path, byte for byte as PEFT or AdapterHub writes them. */
export async function filesOfAdapters(
  tuner: Tuner<Module>,
  names: readonly string[],
  { dtype, pathInitialModelForWeightConversion: initial }: AdapterFilesOptions,
): Promise<Map<string, Uint8Array | string>> {
  if (dtype) checkDType("adapterFiles", dtype);
  if (names.length === 0) throw new Error("there is no adapter to save");
  if (initial !== undefined && names.length > 1) {
    throw new Error(
      `pathInitialModelForWeightConversion converts a single adapter, but ${names.join(", ")} would be saved; name one in selectedAdapters`,
    );
  }
  const files = new Map<string, Uint8Array | string>();
  for (const name of names) {
    const adapter = tuner.adapter(name);
    const converted = initial === undefined ? null : await subtractMutatedInit(adapter, tuner.trained(name), initial);
    const { config, trained } = converted ?? { config: adapter.config, trained: savedValues(tuner, adapter) };
    const constants = new Map([...tuner.buffers(name), ...tuner.repeatedBiases(name), ...tuner.tables(name)]);
    const halfDTypes =
      dtype === undefined && !converted
        ? await unchangedHalfPrecision(adapter.halfPrecision, new Map([...trained, ...constants]))
        : new Map<string, HalfDType>();
    const dtypeOf = (key: string) =>
      halfDTypes.get(key) ?? constants.get(key)?.dtype ?? dtype ?? trained.get(key)?.dtype ?? "f32";
    const contents = await adapterContents({ method: adapter.method, config }, trained, constants, dtypeOf);
    for (const tensor of trained.values()) tensor.dispose();
    const folder = folderOf(name);
    for (const [file, content] of contents) files.set(folder === undefined ? file : `${folder}/${file}`, content);
  }
  return files;
}

/**
 * Returns an adapter's trained tensors as its file stores them, by file key. They are new handles, which the caller
 * frees.
 */
export function savedValues(tuner: Tuner<Module>, { name, method, config }: Adapter): Map<string, Tensor> {
  const filed = tuner.filed(name);
  const reduced = isPromptMethod(method) ? undefined : method.filed?.(config, filed);
  return reduced ?? new Map([...filed].map(([key, t]) => [key, t instanceof Parameter ? t.detach() : t]));
}
