import type { ModelConfig } from "../../config/architectureConfig.ts";
import type { TensorLayout } from "../../gguf/ggufForm.ts";
import { architectureOf } from "../../registry/registry.ts";
import { ggufFormOf } from "./ggufFormOf.ts";

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

/** Returns a tensor's shape in the GGUF file. Dimensions of size 1 are removed, except the first and the last. */
export function fileShape({ shape, transposed, stacked }: TensorLayout): readonly number[] {
  const squeezed = shape.filter((size, dim) => size !== 1 || dim === 0 || dim === shape.length - 1);
  const own = transposed ? squeezed.toReversed() : squeezed;
  return stacked ? [stacked.count, ...own] : own;
}
