import { JsonFields } from "../config/jsonFields.ts";
import type { Architecture } from "../model/architecture.ts";

/** Returns true for architectures with a language-model head. */
export function writes({ heads }: Architecture): boolean {
  return heads.causalLM !== undefined;
}

/** Returns true for architectures with a sequence classification head. */
export function classifies({ heads }: Architecture): boolean {
  return heads.sequenceClassification !== undefined;
}

/** Returns the fields of a language model's `config.json`. Throws for the config of a sequence classifier. */
export function languageFields(json: unknown, where: string): JsonFields {
  const fields = new JsonFields(json, where);
  const [head] = [fields.raw("architectures") ?? []].flat();
  if (typeof head === "string" && head.endsWith("ForSequenceClassification")) {
    throw new Error(`${where}: ${head} classifies sequences and writes none; load it with loadSequenceClassifier`);
  }
  return fields;
}
