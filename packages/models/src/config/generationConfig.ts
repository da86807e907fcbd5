import { JsonFields } from "./jsonFields.ts";

/** Recommended settings for generation with a model. Settings that the file lacks are null or []. */
export interface GenerationConfig {
  doSample: boolean;
  temperature: number | null;
  topK: number | null;
  topP: number | null;
  minP: number | null;
  repetitionPenalty: number | null;
  noRepeatNgramSize: number | null;
  badWordsIds: number[][] | null;
  suppressTokens: number[] | null;
  minNewTokens: number | null;
  numBeams: number | null;
  lengthPenalty: number | null;
  earlyStopping: boolean | "never" | null;
  numReturnSequences: number | null;
  stopStrings: string[] | null;
  maxLength: number | null;
  maxNewTokens: number | null;
  bosTokenId: number | null;
  eosTokenIds: number[];
  padTokenId: number | null;
}

/** Reads the JSON value of a `generation_config.json`. `where` is its name in error messages. */
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
    noRepeatNgramSize: integer("no_repeat_ngram_size", 0),
    badWordsIds: fields.raw("bad_words_ids") === undefined ? null : badWords(fields),
    suppressTokens: fields.raw("suppress_tokens") === undefined ? null : fields.tokenIds("suppress_tokens", []),
    minNewTokens: integer("min_new_tokens", 0),
    numBeams: integer("num_beams", 1),
    lengthPenalty: number("length_penalty"),
    earlyStopping: earlyStopping(fields),
    numReturnSequences: integer("num_return_sequences", 1),
    stopStrings: stopStrings(fields),
    maxLength: integer("max_length", 1),
    maxNewTokens: integer("max_new_tokens", 1),
    bosTokenId: fields.tokenId("bos_token_id", null),
    eosTokenIds: fields.tokenIds("eos_token_id", []),
    padTokenId: fields.tokenId("pad_token_id", null),
  };
}

function badWords(fields: JsonFields): number[][] {
  const words = fields.raw("bad_words_ids");
  const isIds = (ids: unknown) => Array.isArray(ids) && ids.every((id) => Number.isSafeInteger(id) && id >= 0);
  if (Array.isArray(words) && words.every(isIds)) return words;
  throw fields.bad("bad_words_ids", "lists of token ids");
}

function earlyStopping(fields: JsonFields): GenerationConfig["earlyStopping"] {
  const value = fields.raw("early_stopping") ?? null;
  if (value === null || typeof value === "boolean" || value === "never") return value;
  throw fields.bad("early_stopping", 'true, false or "never"');
}

function stopStrings(fields: JsonFields): string[] | null {
  const value = fields.raw("stop_strings");
  if (value === undefined) return null;
  const texts = Array.isArray(value) ? value : [value];
  if (texts.every((text) => typeof text === "string")) return texts;
  throw fields.bad("stop_strings", "a text or a list of them");
}
