import type { GgufValue } from "./writeGguf.ts";

/** Makes a whole number to write. */
export const u32 = (value: number): GgufValue => ({ type: "u32", value });

/** Makes a number to write. */
export const f32 = (value: number): GgufValue => ({ type: "f32", value });

/**
 * Returns the shortest decimal number that is this f32: 1e-5 and not
 * 9.999999747378752e-6, as config.json has it.
 */
export function decimal(value: number): number {
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === Math.fround(value)) return short;
  }
  return value;
}

/** Returns the error for a setting that no key of GGUF can express. */
export function notInGguf(key: string, value: unknown, expected: string): Error {
  return new Error(`config.json: ${key} is ${JSON.stringify(value)}; a GGUF file can only mean ${expected}`);
}
