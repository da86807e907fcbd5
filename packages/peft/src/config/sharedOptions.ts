const taskTypes = ["SEQ_CLS", "SEQ_2_SEQ_LM", "CAUSAL_LM", "TOKEN_CLS", "QUESTION_ANS", "FEATURE_EXTRACTION"];

const isText = (value: unknown): boolean => typeof value === "string";
const isNames = (value: unknown): boolean => isList(value, isText);

/** Returns true if `value` is an array and `of` returns true for each item. */
export function isList(value: unknown, of: (item: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(of);
}

/** Returns true for an array of strings or for one string (a regular expression). */
export function isNamesOrText(value: unknown): boolean {
  return isText(value) || isNames(value);
}

/**
 * Options that several methods have. Each entry contains the accepted values in words, and a function that returns true
 * for an accepted value.
 */
export const sharedOptions: Readonly<Record<string, readonly [must: string, fits: (value: unknown) => boolean]>> = {
  taskType: [`null or one of ${taskTypes.join(", ")}`, (value) => taskTypes.includes(value as string)],
  baseModelNameOrPath: ["null or a text", isText],
  revision: ["null or a text", isText],
  modulesToSave: ["null or a list of names", isNames],
  targetModules: ["null, a list of names or a text", isNamesOrText],
  excludeModules: ["null, a list of names or a text", isNamesOrText],
  layersToTransform: [
    "null, a number of a layer or a list of them",
    (value) => Number.isInteger(value) || isList(value, Number.isInteger),
  ],
  fanInFanOut: ["true or false", (value) => typeof value === "boolean"],
  layersPattern: ["null, a list of names or a text", isNamesOrText],
  trainableTokenIndices: [
    "null, a list of tokens, or such lists by the names of embeddings",
    (value) => isTokens(value) || (isRecord(value) && Object.values(value).every(isTokens)),
  ],
};

function isTokens(value: unknown): boolean {
  return isList(value, (token) => Number.isInteger(token) && (token as number) >= 0);
}

/** Returns true if a value is an object that is not an array. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
