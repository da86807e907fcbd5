import type { GgufForm } from "../../gguf/ggufForm.ts";
import { u32, windowNote } from "../../gguf/ggufValues.ts";
import { llama3Factors, llamaMetadata, llamaTensors, readLlamaGguf } from "../llama/ggufFields.ts";
import type { LlamaTraits } from "../llama/traits.ts";
import type { MistralConfig } from "./model.ts";

const windowKey = "attention.sliding_window";

/**
 * Returns the conversion of Mistral to and from GGUF. GGUF names its architecture "llama". A GGUF file of a Mistral
 * model without a sliding window is read as a Llama model, which computes the same result.
 */
export function mistralForm(traits: (config: MistralConfig) => LlamaTraits): GgufForm<MistralConfig> {
  return {
    architecture: "llama",
    claims: ({ metadata, key }) => Boolean(metadata.raw(key(windowKey))),
    readConfig: (parts) => ({ ...readLlamaGguf(parts), sliding_window: parts.metadata.integer(parts.key(windowKey)) }),
    metadata: (config) => ({
      ...llamaMetadata(config),
      ...(config.slidingWindow === null ? {} : { [windowKey]: u32(config.slidingWindow) }),
    }),
    tensors: (config) => llamaTensors(config, traits(config), { interleaves: true }),
    ropeFactors: llama3Factors,
    notes: windowNote,
  };
}
