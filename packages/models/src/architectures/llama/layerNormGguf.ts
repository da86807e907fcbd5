import type { GgufParts } from "../../gguf/ggufForm.ts";
import { decimal, f32, notInGguf } from "../../gguf/ggufValues.ts";
import type { GgufValue } from "../../gguf/writeGguf.ts";
import type { DecoderConfig } from "./config.ts";
import { decoderMetadata, readDecoderGguf } from "./ggufFields.ts";

/** The config of a decoder that has LayerNorm, and a rotary embedding of only part of each head. */
type LayerNormConfig = DecoderConfig & { readonly layerNormEps: number; readonly useParallelResidual: boolean };

/**
 * Reads the config.json keys that decoders with LayerNorm share, and the fraction of each head that the rotary
 * embedding covers.
 */
export function readLayerNormGguf(parts: GgufParts): { config: Record<string, unknown>; rotaryFactor: number } {
  const { metadata, key } = parts;
  const decoder = readDecoderGguf(parts);
  const { head_dim: headDim } = decoder;
  const rotary = metadata.integer(key("rope.dimension_count"), headDim);
  return {
    config: {
      ...decoder,
      layer_norm_eps: decimal(metadata.number(key("attention.layer_norm_epsilon"))),
      use_parallel_residual: metadata.boolean(key("use_parallel_residual"), true),
    },
    rotaryFactor: rotary / headDim,
  };
}

/** Returns the GGUF metadata that decoders with LayerNorm share. Throws for settings that GGUF cannot express. */
export function layerNormMetadata(config: LayerNormConfig): Record<string, GgufValue> {
  const { scaling } = config.rope;
  if (scaling) throw notInGguf("rope_type", scaling.type, `default for a ${config.modelType}`);
  return {
    ...decoderMetadata(config),
    "attention.layer_norm_epsilon": f32(config.layerNormEps),
    use_parallel_residual: { type: "bool", value: config.useParallelResidual },
  };
}
