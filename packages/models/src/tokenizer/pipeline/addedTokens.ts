import { space, wordCharacter } from "./codePoints.ts";

/** A token of `added_tokens` in `tokenizer.json`. */
export interface AddedToken {
  readonly id: number;
  readonly content: string;
  /** Matches only whole words. */
  readonly single_word?: boolean;
  /** Includes the white space before it in the match. */
  readonly lstrip?: boolean;
  /** Includes the white space after it in the match. */
  readonly rstrip?: boolean;
  /** True to match the token in the normalized text. Default true unless the token is special. */
  readonly normalized?: boolean;
  readonly special?: boolean;
}

/** A part of a text: an added token, or the text between two added tokens. */
export type Section =
  | { readonly id: number }
  | {
      readonly id?: undefined;
      readonly text: string;
      /** True if the part is at the start of the whole text. */
      readonly atStart: boolean;
    };

/** A node of a trie of tokens, by UTF-16 code unit. */
interface Node {
  readonly next: Map<number, Node>;
  token?: AddedToken;
}

const endsWithWord = new RegExp(`[${wordCharacter}]$`, "u");
const startsWithWord = new RegExp(`^[${wordCharacter}]`, "u");
const isSpace = new RegExp(`^${space}$`, "u");

/** Splits texts at added tokens, with the same rules as the Rust library. */
export class AddedTokenSplitter {
  readonly #root: Node = { next: new Map() };

  /** `tokens` has pairs of a text to match and its token. The texts must be different. */
  constructor(tokens: Iterable<readonly [pattern: string, token: AddedToken]>) {
    for (const [pattern, token] of tokens) {
      if (pattern === "") continue;
      let node = this.#root;
      for (let i = 0; i < pattern.length; i++) {
        const unit = pattern.charCodeAt(i);
        const next: Node = node.next.get(unit) ?? { next: new Map() };
        node.next.set(unit, next);
        node = next;
      }
      node.token = token;
    }
  }

  /**
   * Returns the sections of a text. The white space to the right of a token with `rstrip` can contain the next token.
   * That token is then a section too, unless it has `lstrip`.
   */
  split(text: string): Section[] {
    const sections: Section[] = [];
    let from = 0;
    const push = (end: number) => {
      if (from < end) sections.push({ text: text.slice(from, end), atStart: from === 0 });
    };
    for (const { token, ...match } of this.#matches(text)) {
      if (token.single_word && isInWord(text, match.start, match.end)) continue;
      const start = token.lstrip ? Math.max(spaceStart(text, match.start), from) : match.start;
      const end = token.rstrip ? spaceEnd(text, match.end) : match.end;
      if (start >= end) continue;
      push(start);
      sections.push({ id: token.id });
      from = end;
    }
    push(text.length);
    return sections;
  }

  /** Yields the leftmost non-overlapping matches, and at each position the longest match. */
  *#matches(text: string): Generator<{ token: AddedToken; start: number; end: number }> {
    if (this.#root.next.size === 0) return;
    for (let start = 0; start < text.length; ) {
      let token: AddedToken | undefined;
      let end = start;
      let node = this.#root.next.get(text.charCodeAt(start));
      for (let at = start + 1; node; at++) {
        if (node.token) [token, end] = [node.token, at];
        node = node.next.get(text.charCodeAt(at));
      }
      if (token) {
        yield { token, start, end };
        start = end;
      } else {
        start++;
      }
    }
  }
}

function isInWord(text: string, start: number, end: number): boolean {
  const before = text.slice(Math.max(0, start - 2), start);
  const after = text.slice(end, end + 2);
  return endsWithWord.test(before) || startsWithWord.test(after);
}

function spaceStart(text: string, start: number): number {
  let at = start;
  while (at > 0 && isSpace.test(text[at - 1])) at--;
  return at;
}

function spaceEnd(text: string, end: number): number {
  let at = end;
  while (at < text.length && isSpace.test(text[at])) at++;
  return at;
}
