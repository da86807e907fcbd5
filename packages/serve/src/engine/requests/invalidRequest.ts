import { ServingError } from "../../api/api.ts";

/** Returns the error of a request with an invalid field `param`. */
export function invalid(message: string, param: string): ServingError {
  return new ServingError("invalid_request", message, param);
}

/**
 * Returns the error of a request with too many tokens for the model. The error's message states the limit, followed by
 * `message`.
 */
export function tooLong(maxModelLen: number, message: string, param: string): ServingError {
  const limit = `this model's maximum context length is ${maxModelLen} tokens`;
  return new ServingError("context_length_exceeded", `${limit}${message}`, param);
}

/** Runs `read`, and converts its errors to `invalid_request`. */
export async function asInvalid<T>(param: string, read: () => T | Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    throw error instanceof ServingError ? error : invalid((error as Error).message, param);
  }
}

/** Throws ServingError for a token id that the model lacks. */
export function checkTokens(tokens: readonly number[], vocabSize: number, what: string, param: string): void {
  const bad = tokens.find((token) => !(Number.isInteger(token) && token >= 0 && token < vocabSize));
  if (bad === undefined) return;
  throw invalid(`${what} holds ${bad}; the model's token ids are 0 to ${vocabSize - 1}`, param);
}

/** Throws a `ServingError` unless the value is a whole number from `least` to `most`. */
export function checkWhole(param: string, value: number | undefined, least: number, most: number): void {
  if (value === undefined || (Number.isSafeInteger(value) && value >= least && value <= most)) return;
  throw invalid(`${param} is ${value}; expected a whole number from ${least} to ${most}`, param);
}
