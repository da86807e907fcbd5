import { codePoints } from "../text/codePoints.ts";

/** Digraph letters whose title case differs from their upper case. */
const titleLetters: Record<string, string | undefined> = Object.fromEntries(
  ["Ǆǅǆ", "Ǉǈǉ", "Ǌǋǌ", "Ǳǲǳ"].flatMap((three) => [...three].map((letter) => [letter, three[1]])),
);

const cased = /[\p{Uppercase}\p{Lowercase}\p{Lt}]/u;

/** Returns a letter in title case, which Unicode uses for the first letter of a word. */
function titleLetter(letter: string): string {
  const known = titleLetters[letter];
  if (known !== undefined) return known;
  const [first = "", ...rest] = codePoints(letter.toUpperCase());
  return first + rest.join("").toLowerCase();
}

/** Python's `str.capitalize`. */
export function capitalize(text: string): string {
  const [first = ""] = text;
  return titleLetter(first) + text.slice(first.length).toLowerCase();
}

/** Python's `str.title`: capitalizes the first letter of every run of letters. */
export function titleCase(text: string): string {
  let inWord = false;
  const lower = codePoints(text.toLowerCase());
  const all = codePoints(text);
  // Lowercasing the whole text handles final sigmas, and keeps the number of characters of nearly all texts.
  const isAligned = lower.length === all.length;
  return all
    .map((one, i) => {
      const result = inWord ? (isAligned ? lower[i] : one.toLowerCase()) : titleLetter(one);
      inWord = cased.test(one);
      return result;
    })
    .join("");
}

/** Python's `str.swapcase`. */
export function swapCase(text: string): string {
  return codePoints(text)
    .map((one) => (/\p{Lu}/u.test(one) ? one.toLowerCase() : one.toUpperCase()))
    .join("");
}

/** Python's `str.islower` and `str.isupper`: true if all cased letters have this case and there is at least one. */
export function isInCase(text: string, which: "lower" | "upper"): boolean {
  const [wanted, other] =
    which === "lower" ? [/\p{Lowercase}/u, /[\p{Uppercase}\p{Lt}]/u] : [/\p{Uppercase}/u, /[\p{Lowercase}\p{Lt}]/u];
  return wanted.test(text) && !other.test(text);
}

/** Python's `str.istitle`. */
export function isTitle(text: string): boolean {
  let [inWord, any] = [false, false];
  for (const one of codePoints(text)) {
    if (/[\p{Lu}\p{Lt}]/u.test(one)) {
      if (inWord) return false;
      inWord = any = true;
    } else if (/\p{Ll}/u.test(one)) {
      if (!inWord) return false;
      any = true;
    } else inWord = false;
  }
  return any;
}
