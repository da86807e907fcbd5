import type { SeededRandom } from "./seededRandom.ts";

/** Parts of the data that share no phrasing. */
export type Split = "train" | "validation" | "test";

/** Phrasings of one thing, kept apart by split: `[a|b]` is a choice of words, `{a}` an argument. */
export type Phrasings = Record<Split, readonly string[]>;

/** Replaces every `[a|b|c]` of a phrasing by one of its choices. */
export function chooseWords(phrasing: string, random: SeededRandom): string {
  return phrasing.replace(/\[([^\]]*)\]/g, (_, choices: string) => random.pick(choices.split("|")));
}

/** Replaces every `{name}` of a phrasing by its value; throws on a name without one. */
export function fill(phrasing: string, values: Readonly<Record<string, string>>): string {
  return phrasing.replace(/\{(\w+)\}/g, (_, name: string) => {
    if (!(name in values)) throw new Error(`fill: "${phrasing}" has no value for {${name}}: give one`);
    return values[name];
  });
}

/** Plain words of a phrasing, arguments left out, all choices included. */
export function wordsOf(phrasing: string): string[] {
  return phrasing.replace(/\{\w+\}/g, " ").match(/[a-z]+/g) ?? [];
}
