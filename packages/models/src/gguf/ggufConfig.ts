import type { Architecture } from "../architecture.ts";
import { JsonFields } from "../config/jsonFields.ts";
import { architectures } from "../registry.ts";
import type { GgufParts } from "./ggufForm.ts";
import type { GgufHeader } from "./readGguf.ts";

/**
 * Returns the config.json, in transformers' keys, of the model that a GGUF file holds. Throws for
 * an architecture that is not supported, and for settings that the model here would ignore.
 */
export function ggufConfig(
  { metadata, tensors }: GgufHeader,
  label: string,
  ropeFactors?: Float32Array,
): Record<string, unknown> {
  const values = Object.fromEntries(Array.from(metadata, ([key, { value }]) => [key, value]));
  const fields = new JsonFields(values, label);
  const known = architectures().flatMap(({ gguf }) => (gguf ? [gguf.architecture] : []));
  const name = fields.oneOf("general.architecture", [...new Set(known)]);
  const key = (part: string) => `${name}.${part}`;
  if (fields.raw(key("expert_count")))
    throw fields.bad(key("expert_count"), "0: mixtures of experts are not supported");
  const embeddings = tensors.get("token_embd.weight");
  if (!embeddings) throw new Error(`${label}: the tensor "token_embd.weight" is missing`);
  const parts: GgufParts = { metadata: fields, key, tensors, ropeFactors };
  const { modelType, heads, gguf } = architectureIn(name, parts);
  return {
    architectures: [heads.causalLM?.className],
    model_type: modelType,
    ...gguf?.readConfig(parts),
    vocab_size: embeddings.shape[0],
    tie_word_embeddings: !tensors.has("output.weight"),
    bos_token_id: fields.tokenId("tokenizer.ggml.bos_token_id", null),
    eos_token_id: fields.tokenId("tokenizer.ggml.eos_token_id", null),
    pad_token_id: fields.tokenId("tokenizer.ggml.padding_token_id", null),
    torch_dtype: "float32",
  };
}

/**
 * Returns the architecture of a file. If several share the name, it is one that claims the file,
 * else the one that makes no claims.
 */
function architectureIn(name: string, parts: GgufParts): Architecture {
  const sharing = architectures().filter(({ gguf }) => gguf?.architecture === name);
  const claiming = sharing.find(({ gguf }) => gguf?.claims?.(parts));
  return (claiming ?? sharing.find(({ gguf }) => !gguf?.claims)) as Architecture;
}
