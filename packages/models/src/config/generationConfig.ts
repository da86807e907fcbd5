import { type ModelFiles, readJson } from "@lowrank/files";
import { JsonFields } from "./jsonFields.ts";

/**
 * The settings for generation that a model's makers advise; null and [] where the file has none.
 */
export interface GenerationConfig {
  doSample: boolean;
  temperature: number | null;
  topK: number | null;
  topP: number | null;
  minP: number | null;
  repetitionPenalty: number | null;
  maxLength: number | null;
  maxNewTokens: number | null;
  bosTokenId: number | null;
  eosTokenIds: number[];
  padTokenId: number | null;
}

/** Reads `generation_config.json`, or null where a model has none. */
export async function readGenerationConfig(files: ModelFiles): Promise<GenerationConfig | null> {
  const name = "generation_config.json";
  return (await files.has(name))
    ? parseGenerationConfig(await readJson(files, name), `${name} of ${files.label}`)
    : null;
}

/** Reads the JSON value of a `generation_config.json`; `where` is what error messages call it. */
export function parseGenerationConfig(json: unknown, where = "generation_config.json"): GenerationConfig {
  const fields = new JsonFields(json, where);
  const number = (key: string) => (fields.raw(key) === undefined ? null : fields.number(key));
  const integer = (key: string, least: number) =>
    fields.raw(key) === undefined ? null : fields.integer(key, undefined, least);
  return {
    doSample: fields.boolean("do_sample", false),
    temperature: number("temperature"),
    topK: integer("top_k", 0),
    topP: number("top_p"),
    minP: number("min_p"),
    repetitionPenalty: number("repetition_penalty"),
    maxLength: integer("max_length", 1),
    maxNewTokens: integer("max_new_tokens", 1),
    bosTokenId: fields.tokenId("bos_token_id", null),
    eosTokenIds: fields.tokenIds("eos_token_id", []),
    padTokenId: fields.tokenId("pad_token_id", null),
  };
}
