import type { Tokenizer } from "@lowrank/models";
import { ServingError, type ServingStats } from "../../api/api.ts";

/** Statistics of an engine without an adapter store. */
export const noAdapters: ServingStats["adapters"] = {
  ...{ registered: 0, resident: 0, bytes: 0, hits: 0, loads: 0, evictions: 0, failures: 0 },
};

/** Returns the error for loading or unloading adapters on an engine without an adapter store. */
export function noStore(): ServingError {
  return new ServingError("invalid_request", "this server has no store of adapters", "lora_name");
}

/** Returns the error of a request for an adapter that does not exist. */
export function unknownModel(name: string): ServingError {
  return new ServingError("not_found", `The model \`${name}\` does not exist.`, "model");
}

/** Converts an error of an engine to a ServingError. */
export function asServingError(error: unknown): ServingError {
  if (error instanceof ServingError) return error;
  const message = "the adapter could not be loaded; the server's log has the reason";
  return Object.assign(new ServingError("unavailable", message), { cause: error });
}

/** Decodes tokens to text. Throws ServingError for ids outside the vocabulary. */
export function decode(tokenizer: Tokenizer, tokens: readonly number[]): string {
  const { vocabSize } = tokenizer;
  const bad = tokens.find((token) => !(Number.isInteger(token) && token >= 0 && token < vocabSize));
  if (bad === undefined) return tokenizer.decode(tokens);
  throw new ServingError(
    "invalid_request",
    `${bad} is no token id; there are ids from 0 to ${vocabSize - 1}`,
    "tokens",
  );
}
