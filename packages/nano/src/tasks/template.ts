import type { SeededRandom } from "./seededRandom.ts";

/** Splits of the task data. Each phrasing occurs in only one of them. */
export type Split = "train" | "validation" | "test";

/**
 * Phrasings of a request or of a part of it, for each split. In a phrasing, `[a|b]` is a choice between words and `{a}`
 * is a placeholder for an argument.
 */
export type Phrasings = Record<Split, readonly string[]>;

/** Replaces every `[a|b|c]` of a phrasing by one of its choices. */
export function chooseWords(phrasing: string, random: SeededRandom): string {
  return phrasing.replace(/\[([^\]]*)\]/g, (_, choices: string) => random.pick(choices.split("|")));
}

/**
 * Replaces every `{name}` in a phrasing by `value(name, before)`, where `before` is the word directly before `{name}`.
 */
export function fill(phrasing: string, value: (name: string, before: string) => string): string {
  return phrasing.replace(/(\w*)( ?)\{(\w+)\}/g, (_, before: string, space: string, name: string) => {
    return before + space + value(name, before);
  });
}

/** Returns all words of a phrasing, including all words of its choices `[a|b]` but not its placeholders `{a}`. */
export function wordsOf(phrasing: string): string[] {
  return phrasing.replace(/\{\w+\}/g, " ").match(/[a-z]+/g) ?? [];
}
