import * as huggingFace from "@huggingface/tokenizers";

/** A pattern in `tokenizer.json`: `String` is a literal text, `Regex` a regular expression in Oniguruma's syntax. */
export interface PatternJson {
  readonly String?: string;
  readonly Regex?: string;
}

interface PatternClass {
  new (config: { pattern: PatternJson }): { readonly pattern: RegExp };
}

// This cast gives the library's export a type. Its declarations import each other without file extensions, which
// TypeScript does not resolve under `nodenext`, so they would be `any`. Bundlers leave out the library's other classes,
// since one property of the namespace is read. With destructuring they would keep the whole library.
const SplitPreTokenizer = (huggingFace as unknown as { SplitPreTokenizer: PatternClass }).SplitPreTokenizer;

/** Returns the JavaScript regular expression for a pattern, with the flags `g` and `u`. */
export function patternOf(pattern: PatternJson): RegExp {
  if (pattern.Regex === undefined)
    return new RegExp((pattern.String ?? "").replaceAll(/[\\^$.*+?()[\]{}|/]/g, "\\$&"), "gu");
  return new SplitPreTokenizer({ pattern }).pattern;
}

/** Yields the matches in a text. Like Oniguruma, skips an empty match directly after another match. */
export function* matchesIn(text: string, pattern: RegExp): Generator<{ start: number; end: number }> {
  let last = -1;
  for (const match of text.matchAll(pattern)) {
    const start = match.index;
    const end = start + match[0].length;
    if (start === end && start === last) continue;
    last = end;
    yield { start, end };
  }
}
