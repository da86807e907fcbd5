import { cat, neg, noGrad, type SafetensorsFile, type Tensor } from "@lowrank/core";
import { checkDType } from "@lowrank/core/internal";
import { readJson } from "@lowrank/files";
import { type Module, Parameter } from "@lowrank/nn";
import type { PeftConfig } from "../config/peftConfig.ts";
import {
  type AdapterSource,
  adapterContents,
  adapterFileNames,
  openSource,
  openWeights,
  readTensor,
} from "../files/adapterFiles.ts";
import { parseConfig } from "../files/configFile.ts";
import { unchangedHalfPrecision } from "../files/halfPrecision.ts";
import { isPromptMethod } from "../methods/shared/method.ts";
import { loadFact, type StartSubtraction } from "../methods/shared/methodFacts.ts";
import type { Adapter, HalfDType } from "../model/adapter/adapter.ts";
import type { Tuner } from "../model/tuner.ts";
import type { AdapterFilesOptions } from "./savedOptions.ts";

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
 * Returns an adapter's trained tensors as its file stores them, by file key. The caller frees the returned tensors; the
 * adapter's own tensors stay valid.
 */
export function savedValues(tuner: Tuner<Module>, { name, method, config }: Adapter): Map<string, Tensor> {
  const filed = tuner.filed(name);
  const reduced = isPromptMethod(method) ? undefined : method.filed?.(config, filed);
  return reduced ?? new Map([...filed].map(([key, t]) => [key, t instanceof Parameter ? t.detach() : t]));
}

/**
 * Converts an adapter whose initialisation changed the base weights to an adapter of a larger rank for the original
 * weights. The result is the trained adapter minus `initial`, the adapter before training. Throws if `initial` has
 * another method or other shapes. The caller frees the tensors.
 */
async function subtractMutatedInit(
  { name, method, config }: Adapter,
  trained: ReadonlyMap<string, Tensor>,
  initial: AdapterSource,
): Promise<{ config: PeftConfig; trained: Map<string, Tensor> }> {
  const what = `pathInitialModelForWeightConversion: adapter "${name}"`;
  const subtraction = await loadFact<StartSubtraction<PeftConfig>>(method.subtractsStart);
  if (!subtraction)
    throw new Error(
      `${what} is ${method.peftType}, whose initial values cannot be subtracted; save it without pathInitialModelForWeightConversion`,
    );
  const refusal = subtraction.refusal(config);
  if (refusal !== null) throw new Error(`${what} ${refusal}; save it without pathInitialModelForWeightConversion`);
  const files = await openSource(initial);
  const label = `${adapterFileNames.config} of ${files.label}`;
  const known = { [method.peftType]: method };
  const { config: start } = parseConfig(await readJson(files, adapterFileNames.config), known, label, () => {});
  const weights = await openWeights(files);
  const fields = (of: PeftConfig) => of as unknown as Readonly<Record<string, unknown>>;
  for (const key of subtraction.sameFields) {
    const [was, is] = [fields(start)[key], fields(config)[key]].map((value) => JSON.stringify(value));
    if (was !== is)
      throw new Error(
        `${what} has ${key} ${is}, and ${files.label} has ${was}; pass the adapter as it was before training`,
      );
  }
  const result = new Map<string, Tensor>();
  for (const [key, tensor] of trained) result.set(key, await joined(key, tensor, weights, subtraction));
  return { config: subtraction.joined(config), trained: result };
}

/**
 * Returns the trained tensor `key`, concatenated with the initial tensor along the rank dimension. The initial tensor
 * is negated if `joins` gives the sign -1. If the tensor has no rank dimension, returns a new handle of the trained
 * tensor.
 */
async function joined(
  key: string,
  tensor: Tensor,
  weights: SafetensorsFile,
  { joins }: StartSubtraction<PeftConfig>,
): Promise<Tensor> {
  const place = joins(key);
  if (!place) return tensor.detach();
  const { dim, sign } = place;
  if (!weights.has(key) || weights.info(key).shape.join() !== tensor.shape.join()) {
    const found = weights.has(key) ? `[${weights.info(key).shape}]` : "missing";
    throw new Error(`${weights.label}: ${key} is ${found}, and must be [${tensor.shape}] as in the trained adapter`);
  }
  using start = await readTensor(weights, key, tensor);
  return noGrad(() => {
    using signed = sign === 1 ? start.detach() : neg(start);
    return cat([tensor.detach(), signed], { dim });
  });
}
