import { JsonFields } from "../config/jsonFields.ts";
import type { Architecture } from "../model/architecture.ts";

/** True for architectures that predict tokens. */
export function writes({ heads }: Architecture): boolean {
  return heads.causalLM !== undefined;
}

/** True for architectures that classify sequences. */
export function classifies({ heads }: Architecture): boolean {
  return heads.sequenceClassification !== undefined;
}

/** Returns the fields of a language model's `config.json`. Throws for that of a classifier. */
export function languageFields(json: unknown, where: string): JsonFields {
  const fields = new JsonFields(json, where);
  const [head] = [fields.raw("architectures") ?? []].flat();
  if (typeof head === "string" && head.endsWith("ForSequenceClassification")) {
    throw new Error(`${where}: ${head} classifies sequences and writes none; load it with loadSequenceClassifier`);
  }
  return fields;
}
