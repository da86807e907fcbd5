import { JsonFields } from "../../config/jsonFields.ts";
import type { Architecture } from "../../model/architecture.ts";

/** Returns true if the architecture supports a language-model head. */
export function writes({ heads }: Architecture): boolean {
  return heads.causalLM !== undefined;
}

/** Returns true if the architecture supports a sequence classification head. */
export function classifies({ heads }: Architecture): boolean {
  return heads.sequenceClassification !== undefined;
}

/** Returns the fields of a language model's `config.json`. Throws if the config is for a sequence classifier. */
export function languageFields(json: unknown, where: string): JsonFields {
  const fields = new JsonFields(json, where);
  const [head] = [fields.raw("architectures") ?? []].flat();
  if (typeof head === "string" && head.endsWith("ForSequenceClassification")) {
    throw new Error(`${where}: ${head} classifies texts and cannot generate them; load it with loadSequenceClassifier`);
  }
  return fields;
}
