import { cat, neg, noGrad, type SafetensorsFile, type Tensor } from "@lowrank/core";
import { readJson } from "@lowrank/files";
import type { PeftConfig } from "../config/peftConfig.ts";
import { type AdapterSource, adapterFileNames, openSource, openWeights, readTensor } from "../files/adapterFiles.ts";
import { parseConfig } from "../files/configFile.ts";
import type { MethodFacts, StartSubtraction } from "../methods/shared/methodFacts.ts";
import type { Adapter } from "../model/adapter/adapter.ts";

/**
 * Converts an adapter whose initialisation changed the base weights to an adapter of a larger rank for the original
 * weights. The result is the trained adapter minus `initial`, the adapter before training. Throws if `initial` has
 * another method or other shapes. The caller frees the tensors.
 */
export async function subtractMutatedInit(
  { name, method, config }: Adapter,
  trained: ReadonlyMap<string, Tensor>,
  initial: AdapterSource,
): Promise<{ config: PeftConfig; trained: Map<string, Tensor> }> {
  const what = `pathInitialModelForWeightConversion: adapter "${name}"`;
  const { subtractsStart: subtraction }: MethodFacts<PeftConfig> = method;
  if (!subtraction)
    throw new Error(
      `${what} is ${method.peftType}, whose initial values cannot be subtracted; save it without this option`,
    );
  const refusal = subtraction.refusal(config);
  if (refusal !== null) throw new Error(`${what} ${refusal}; save it without this option`);
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
 * Returns the trained tensor with the initial one concatenated along the rank dimension. Returns a tensor without a
 * rank dimension as a new handle.
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
