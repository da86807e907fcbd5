import type { GgufValue } from "./writeGguf.ts";

/** Returns a u32 metadata value. */
export const u32 = (value: number): GgufValue => ({ type: "u32", value });

/** Returns an f32 metadata value. */
export const f32 = (value: number): GgufValue => ({ type: "f32", value });

/**
 * Returns the shortest decimal number that rounds to this f32, as config.json stores it: 1e-5 instead of
 * 9.999999747378752e-6.
 */
export function decimal(value: number): number {
  for (let digits = 1; digits <= 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === Math.fround(value)) return short;
  }
  return value;
}

/** Returns the error for a setting that GGUF cannot store. `expected` describes the values that it can store. */
export function notInGguf(key: string, value: unknown, expected: string): Error {
  return new Error(`config.json: ${key} is ${JSON.stringify(value)}; a GGUF file can only mean ${expected}`);
}

/**
 * Returns a note for the user if the config has a sliding window, which llama.cpp ignores for this architecture;
 * otherwise no note.
 */
export function windowNote(config: { slidingWindow: number | null; maxPositionEmbeddings: number }): string[] {
  const { slidingWindow, maxPositionEmbeddings } = config;
  return slidingWindow === null || slidingWindow >= maxPositionEmbeddings
    ? []
    : [`llama.cpp does not heed the sliding window of ${slidingWindow} positions, so longer texts differ there`];
}
