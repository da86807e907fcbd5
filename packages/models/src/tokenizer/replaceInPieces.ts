import { type LibraryTokenizer, library, type Normalizer } from "./library.ts";

/** Characters that are replaced at a time. */
const piece = 65_536;

/**
 * Makes normalizers that replace one character, as a space by U+2581, take a text in pieces. V8
 * returns a replaced text as a tree of its parts: for a text of 10 MB with spaces that is 130 MB.
 */
export function replaceInPieces({ normalizer }: LibraryTokenizer): void {
  if (normalizer) fix(normalizer);
}

function fix(normalizer: Normalizer): void {
  if (normalizer instanceof library.SequenceNormalizer) {
    for (const inner of normalizer.normalizers) if (inner) fix(inner);
  } else if (normalizer instanceof library.ReplaceNormalizer) {
    const { pattern, content } = normalizer.config;
    const character = pattern?.String;
    if (character === undefined || !/^[^\uD800-\uDFFF]$/.test(character)) return;
    normalizer.normalize = (text) => {
      const pieces: string[] = [];
      for (let at = 0; at < text.length; at += piece) {
        const parts = text.slice(at, at + piece).split(character);
        pieces.push(parts.join(content ?? ""));
      }
      return pieces.join("");
    };
  }
}
