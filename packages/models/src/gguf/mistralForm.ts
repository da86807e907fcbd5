import type { LlamaTraits } from "../llamaTraits.ts";
import type { MistralConfig } from "../mistral.ts";
import type { GgufForm } from "./ggufForm.ts";
import { u32 } from "./ggufValues.ts";
import { llama3Factors, llamaMetadata, llamaTensors, readLlamaGguf } from "./llamaGguf.ts";
import { windowNote } from "./windowNote.ts";

const windowKey = "attention.sliding_window";

/**
 * Returns Mistral's form in a GGUF file: a llama, as llama.cpp has it. A file without a window is
 * read as one, which computes the same.
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
