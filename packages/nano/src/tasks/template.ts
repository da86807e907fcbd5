import type { SeededRandom } from "./seededRandom.ts";

/** Parts of the data that share no phrasing. */
export type Split = "train" | "validation" | "test";

/** Phrasings of one request or part, by split. `[a|b]` is a choice of words, `{a}` an argument. */
export type Phrasings = Record<Split, readonly string[]>;

/** Replaces every `[a|b|c]` of a phrasing by one of its choices. */
export function chooseWords(phrasing: string, random: SeededRandom): string {
  return phrasing.replace(/\[([^\]]*)\]/g, (_, choices: string) => random.pick(choices.split("|")));
}

/**
 * Replaces every `{name}` of a phrasing by the text that `value` returns for the
 * name and the word before it.
 */
export function fill(phrasing: string, value: (name: string, before: string) => string): string {
  return phrasing.replace(/(\w*)( ?)\{(\w+)\}/g, (_, before: string, space: string, name: string) => {
    return before + space + value(name, before);
  });
}

/** Returns the plain words of a phrasing, without arguments and with all choices. */
export function wordsOf(phrasing: string): string[] {
  return phrasing.replace(/\{\w+\}/g, " ").match(/[a-z]+/g) ?? [];
}
