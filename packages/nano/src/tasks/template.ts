import type { SeededRandom } from "./seededRandom.ts";

/** The parts of the task data. No phrasing occurs in two of them. */
export type Split = "train" | "validation" | "test";

/** Phrasings of a request or a part of it, by split. `[a|b]` is a choice between words, `{a}` an argument. */
export type Phrasings = Record<Split, readonly string[]>;

/** Replaces every `[a|b|c]` of a phrasing by one of its choices. */
export function chooseWords(phrasing: string, random: SeededRandom): string {
  return phrasing.replace(/\[([^\]]*)\]/g, (_, choices: string) => random.pick(choices.split("|")));
}

/** Replaces every `{name}` in a phrasing by `value(name, before)`, where `before` is the word before it. */
export function fill(phrasing: string, value: (name: string, before: string) => string): string {
  return phrasing.replace(/(\w*)( ?)\{(\w+)\}/g, (_, before: string, space: string, name: string) => {
    return before + space + value(name, before);
  });
}

/** Returns the words of a phrasing, including all choices, without arguments. */
export function wordsOf(phrasing: string): string[] {
  return phrasing.replace(/\{\w+\}/g, " ").match(/[a-z]+/g) ?? [];
}
