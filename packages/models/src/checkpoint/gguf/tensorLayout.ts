import type { ModelConfig } from "../../config/architectureConfig.ts";
import type { GgufForm, TensorLayout } from "../../gguf/ggufForm.ts";
import type { GgufValue } from "../../gguf/writeGguf.ts";
import { architectureOf } from "../../registry/registry.ts";

/**
 * Returns the layouts of a model's tensors, in the order of llama.cpp's converter. A tied output layer is not listed.
 */
export async function tensorLayouts(config: ModelConfig): Promise<TensorLayout[]> {
  const layouts = (await ggufFormOf(config)).tensors(config);
  if (config.tieWordEmbeddings) return layouts;
  const { shape } = layouts.find(({ gguf }) => gguf === "token_embd.weight") as TensorLayout;
  const { module } = architectureOf(config).heads.causalLM!;
  return [...layouts, { hf: `${module}.weight`, gguf: "output.weight", shape }];
}

/**
 * Returns a tensor's shape in the GGUF file. Dimensions of size 1 are removed, except the first and the last. If the
 * file stacks several tensors, their number comes first.
 */
export function fileShape({ shape, transposed, stacked }: TensorLayout): readonly number[] {
  const squeezed = shape.filter((size, dim) => size !== 1 || dim === 0 || dim === shape.length - 1);
  const own = transposed ? squeezed.toReversed() : squeezed;
  return stacked ? [stacked.count, ...own] : own;
}

/** Returns the GGUF conversion for the model of a config. Throws if its architecture cannot be stored as GGUF. */
export async function ggufFormOf(config: ModelConfig): Promise<GgufForm<ModelConfig>> {
  const form = await architectureOf(config).gguf?.();
  if (form) return form;
  throw new Error(`a ${config.modelType} cannot be written as GGUF; keep it as a Hugging Face folder`);
}

/** Converts a config to GGUF metadata, with llama.cpp's keys. Throws for settings that have no GGUF key. */
export async function configMetadata(config: ModelConfig): Promise<Map<string, GgufValue>> {
  const { architecture, metadata } = await ggufFormOf(config);
  return new Map(Object.entries(metadata(config)).map(([key, value]) => [`${architecture}.${key}`, value]));
}
