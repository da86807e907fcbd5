import type { ModelConfig } from "../../config/architectureConfig.ts";
import { JsonFields } from "../../config/jsonFields.ts";
import type { GgufForm, GgufParts } from "../../gguf/ggufForm.ts";
import type { GgufHeader } from "../../gguf/readGguf.ts";
import type { Architecture } from "../../model/architecture.ts";
import { architectures } from "../../registry/registry.ts";

/**
 * Returns the config.json of the model in a GGUF file, with transformers' keys. Throws for an unsupported architecture,
 * and for settings that the model does not implement.
 */
export async function ggufConfig(
  { metadata, tensors }: GgufHeader,
  label: string,
  ropeFactors: GgufParts["ropeFactors"] = new Map(),
): Promise<Record<string, unknown>> {
  const values = Object.fromEntries(Array.from(metadata, ([key, { value }]) => [key, value]));
  const fields = new JsonFields(values, label);
  const known = await formsOfAll();
  const name = fields.oneOf("general.architecture", [...new Set(known.map(({ form }) => form.architecture))]);
  const key = (part: string) => `${name}.${part}`;
  const embeddings = tensors.get("token_embd.weight");
  if (!embeddings) throw new Error(`${label}: the tensor "token_embd.weight" is missing`);
  const parts: GgufParts = { metadata: fields, key, tensors, ropeFactors };
  const { modelType, heads, form } = formIn(
    known.filter((one) => one.form.architecture === name),
    parts,
  );
  if (fields.raw(key("expert_count")) && !form.hasExperts) {
    throw fields.bad(key("expert_count"), `0: a ${modelType} has no experts here`);
  }
  return {
    architectures: [heads.causalLM?.className],
    model_type: modelType,
    ...form.readConfig(parts),
    vocab_size: embeddings.shape[0],
    tie_word_embeddings: !tensors.has("output.weight"),
    bos_token_id: fields.tokenId("tokenizer.ggml.bos_token_id", null),
    eos_token_id: fields.tokenId("tokenizer.ggml.eos_token_id", null),
    pad_token_id: fields.tokenId("tokenizer.ggml.padding_token_id", null),
    torch_dtype: "float32",
  };
}

/** An architecture together with its conversion to and from GGUF. */
type Formed = Architecture & { readonly form: GgufForm<ModelConfig> };

async function formsOfAll(): Promise<Formed[]> {
  const all = await Promise.all(
    architectures().map(async (architecture) => ({ ...architecture, form: await architecture.gguf?.() })),
  );
  return all.filter((one): one is Formed => one.form !== undefined);
}

/**
 * Returns the architecture of a file. If several architectures have the same GGUF name, returns the first whose
 * `claims` returns true for the file, otherwise the one without `claims`.
 */
function formIn(sharing: readonly Formed[], parts: GgufParts): Formed {
  const claiming = sharing.find(({ form }) => form.claims?.(parts));
  return (claiming ?? sharing.find(({ form }) => !form.claims)) as Formed;
}
