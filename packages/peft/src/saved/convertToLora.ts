import { cat, neg, noGrad, type SafetensorsFile, type Tensor } from "@lowrank/core";
import { readJson } from "@lowrank/files";
import { type AdapterSource, adapterFileNames, openSource, openWeights, readTensor } from "../files/adapterFiles.ts";
import { parseConfig } from "../files/configFile.ts";
import { lora } from "../methods/lora.ts";
import { LoraConfig } from "../methods/loraConfig.ts";
import type { Adapter } from "../model/adapter.ts";

/** A and B under their names in files, and the dimension along which ranks lie. */
const rankDims: readonly (readonly [end: RegExp, dim: number, starts: 1 | -1])[] = [
  [/\.lora_A\.weight$|\.lora_embedding_A$/, 0, 1],
  [/\.lora_B\.weight$|\.lora_embedding_B$/, 1, -1],
];

/**
 * An adapter that took its start out of the base weights, as plain LoRA of twice the rank on the weights as they were:
 * B A - B₀ A₀ as [B, -B₀] [A; A₀], where A₀ and B₀ are those of `initial`, the adapter as it was before training. Throws
 * where `initial` is not of the same kind and shapes. The caller frees the tensors.
 */
export async function convertToLora(
  adapter: Adapter,
  trained: ReadonlyMap<string, Tensor>,
  initial: AdapterSource,
): Promise<{ config: LoraConfig; trained: Map<string, Tensor> }> {
  const { config } = adapter;
  const what = `pathInitialModelForWeightConversion: adapter "${adapter.name}"`;
  if (!(config instanceof LoraConfig)) throw new Error(`${what} is ${config.peftType}; only LORA is converted`);
  const { initLoraWeights: init } = config;
  if (init !== true && !/^(pissa|olora)/.test(`${init}`)) {
    throw new Error(
      `${what} started from ${JSON.stringify(init)}, which left the base weights as they were, or rounded them; save it without`,
    );
  }
  const files = await openSource(initial);
  const label = `${adapterFileNames.config} of ${files.label}`;
  const start = parseConfig(await readJson(files, adapterFileNames.config), { LORA: lora }, label, () => {}).config;
  const weights = await openWeights(files);
  for (const key of ["r", "loraAlpha", "useRslora", "rankPattern", "alphaPattern", "useDora"] as const) {
    const [was, is] = [(start as LoraConfig)[key], config[key]].map((value) => JSON.stringify(value));
    if (was !== is)
      throw new Error(
        `${what} has ${key} ${is}, and ${files.label} has ${was}; pass the adapter as it was before training`,
      );
  }
  const converted = new Map<string, Tensor>();
  for (const [key, tensor] of trained) converted.set(key, await joined(key, tensor, weights));
  return { config: doubled(config), trained: converted };
}

/** A tensor of the adapter with its start beside it, where it has a rank; otherwise another handle on it. */
async function joined(key: string, tensor: Tensor, weights: SafetensorsFile): Promise<Tensor> {
  const place = rankDims.find(([end]) => end.test(key));
  if (!place) return tensor.detach();
  const [, dim, sign] = place;
  if (!weights.has(key) || weights.info(key).shape.join() !== tensor.shape.join()) {
    const found = weights.has(key) ? `[${weights.info(key).shape}]` : "missing";
    throw new Error(`${weights.label}: ${key} is ${found}, and must be [${tensor.shape}] as in the trained adapter`);
  }
  using start = await readTensor(weights, key, tensor);
  return noGrad(() => {
    using signed = sign > 0 ? start.detach() : neg(start);
    return cat([tensor.detach(), signed], { dim });
  });
}

/** The configuration of the plain LoRA: twice the rank, with the same scaling. */
function doubled(config: LoraConfig): LoraConfig {
  const factor = config.useRslora ? Math.SQRT2 : 2;
  const times = (pattern: Readonly<Record<string, number>>, by: number) =>
    Object.fromEntries(Object.entries(pattern).map(([key, value]) => [key, by * value]));
  return config.with({
    initLoraWeights: true,
    r: 2 * config.r,
    loraAlpha: factor * config.loraAlpha,
    rankPattern: times(config.rankPattern, 2),
    alphaPattern: times(config.alphaPattern, factor),
  });
}
