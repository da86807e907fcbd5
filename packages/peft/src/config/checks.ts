import { OptionError, type OptionNaming } from "@lowrank/core";
import { unknownOption } from "@lowrank/core/internal";
import { type ConfigFormat, fillFields, type PeftConfig, sameValue } from "./peftConfig.ts";

/**
 * Stable codes of `UnsupportedError`:
 *
 * - `not_mergeable`: no weight can contain the adapter's update
 * - `not_by_row`: the adapter cannot be used for some rows of a batch only
 * - `needs_full_weights`: the method decomposes weights, which must not be quantised yet
 * - `needs_singular_vectors`: the file lacks singular vectors, which other programs compute with other signs
 * - `not_swappable`: the files cannot replace the adapter's values
 * - `not_together`: the adapters cannot be active at once, or the method cannot be used in a `PeftMixedModel`
 */
export type UnsupportedCode =
  | "not_mergeable"
  | "not_by_row"
  | "needs_full_weights"
  | "needs_singular_vectors"
  | "not_swappable"
  | "not_together";

/**
 * Thrown if an adapter's method cannot do what was called. The message has the reason and the fix.
 *
 * @example
 * ```ts
 * try {
 *   await peft.mergeAdapter();
 * } catch (error) {
 *   if (error instanceof UnsupportedError) console.log(error.code); // not_mergeable
 * }
 * ```
 */
export class UnsupportedError extends Error {
  override readonly name = "UnsupportedError";
  /** Stable code of the error, such as "not_mergeable". */
  readonly code: UnsupportedCode;

  constructor(code: UnsupportedCode, message: string) {
    super(message);
    this.code = code;
  }
}

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
 * Checks for options that several methods have. Each option maps to a text that describes its accepted values, and a
 * function that returns true for an accepted value.
 */
const sharedOptions: Readonly<Record<string, readonly [must: string, fits: (value: unknown) => boolean]>> = {
  taskType: [`null or one of ${taskTypes.join(", ")}`, (value) => taskTypes.includes(value as string)],
  baseModelNameOrPath: ["null or a text", isText],
  revision: ["null or a text", isText],
  modulesToSave: ["null or a list of names", isNames],
  targetModules: ["null, a list of names or a text", isNamesOrText],
  excludeModules: ["null, a list of names or a text", isNamesOrText],
  targetParameters: ["null or a list of names", isNames],
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

/**
 * Throws an error that the value of option `key` is not accepted. `must` describes the accepted values in the message.
 */
export function refuse(
  config: PeftConfig,
  key: string,
  value: unknown,
  must: string | ((named: OptionNaming) => string),
): never {
  throw new OptionError(config.constructor.name, key, value, (named) => {
    const expected = typeof must === "string" ? must : must(named);
    return `${named(key)} is ${JSON.stringify(value)}; it must be ${expected}`;
  });
}

/**
 * Sets a configuration's fields to the given options; other fields keep their defaults. Throws for an unknown option.
 * An option that is listed in `refused` or `ignored` must have the value listed there; otherwise throws. Also throws if
 * an option that several methods share has a value of the wrong type.
 */
export function setOptions(config: PeftConfig, options: object, { refused, ignored }: ConfigFormat): void {
  fillFields(config, options);
  const { name } = config.constructor;
  for (const [key, value] of Object.entries(options)) {
    if (Object.hasOwn(config, key)) continue;
    const snake = toSnakeCase(key);
    const tables = [refused, ignored].filter((table) => Object.hasOwn(table, snake));
    if (tables.length === 0) throw unknownOption(name, key, Object.keys(config));
    if (!tables.some((table) => sameValue(table[snake], value))) {
      throw new OptionError(name, key, value, `is ${JSON.stringify(value)}, which is not supported; leave it out`);
    }
  }
  for (const [key, value] of Object.entries(config)) {
    const [must, fits] = sharedOptions[key] ?? [];
    if (fits && value !== null && !fits(value)) refuse(config, key, value, must as string);
  }
}

/** Throws unless the value is an integer of at least `least`. */
export function checkInteger(config: PeftConfig, key: string, value: unknown, least = 1): void {
  if (!Number.isInteger(value) || (value as number) < least)
    refuse(config, key, value, `an integer of at least ${least}`);
}

/** Throws unless the value is a finite number. */
export function checkFinite(config: PeftConfig, key: string, value: unknown): void {
  if (!Number.isFinite(value)) refuse(config, key, value, "a finite number");
}

/** Throws unless the value is a dropout probability: at least 0 and below 1. */
export function checkDropout(config: PeftConfig, key: string, value: number): void {
  if (!(Number.isFinite(value) && value >= 0 && value < 1)) refuse(config, key, value, "from 0 up to but excluding 1");
}

/** Throws unless the value is one of `allowed`. */
export function checkOneOf(config: PeftConfig, key: string, value: unknown, allowed: readonly unknown[]): void {
  if (allowed.includes(value)) return;
  const words = allowed.map((one) => JSON.stringify(one));
  refuse(config, key, value, words.length > 1 ? `${words.slice(0, -1).join(", ")} or ${words.at(-1)}` : words[0]);
}

/** Throws unless every value of `flags` is true or false. The keys are option names. */
export function checkFlags(config: PeftConfig, flags: Readonly<Record<string, unknown>>): void {
  for (const [key, value] of Object.entries(flags)) checkOneOf(config, key, value, [true, false]);
}

/** Calls `check` for each value of a pattern option, such as `rankPattern`, which maps module names to values. */
export function checkPattern(
  config: PeftConfig,
  name: string,
  pattern: Readonly<Record<string, number>>,
  check: (config: PeftConfig, key: string, value: unknown) => void,
): void {
  if (!isRecord(pattern)) refuse(config, name, pattern, "an object of values by names");
  for (const [key, value] of Object.entries(pattern)) check(config, `${name}["${key}"]`, value);
}

/** Throws if `excludeModules` is set. Call it for methods whose configuration in PEFT lacks that field. */
export function refuseExclusion(config: PeftConfig): void {
  const { excludeModules } = config;
  if (excludeModules === null) return;
  refuse(config, "excludeModules", excludeModules, (named) => {
    const { name } = config.constructor;
    return `left out, since PEFT's ${name} has no such field; name the modules to adapt in ${named("targetModules")}`;
  });
}

/** Returns a configuration key as files spell it: `loraAlpha` is `lora_alpha`, `applyGS` is `apply_GS`. */
export function toSnakeCase(key: string): string {
  return key.replace(/[A-Z]{2,}(?![a-z])|[A-Z]/g, (found) => `_${found.length > 1 ? found : found.toLowerCase()}`);
}
