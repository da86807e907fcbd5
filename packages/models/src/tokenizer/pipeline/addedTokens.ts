import { space, wordCharacter } from "./codePoints.ts";

/** A token of `added_tokens` in `tokenizer.json`. */
export interface AddedToken {
  readonly id: number;
  readonly content: string;
  /** True to match the token only as a whole word. Default false. */
  readonly single_word?: boolean;
  /** True to make the white space before the token part of the match, which removes it from the text. Default false. */
  readonly lstrip?: boolean;
  /** True to make the white space after the token part of the match, which removes it from the text. Default false. */
  readonly rstrip?: boolean;
  /**
   * True to match the token in the normalized text, false in the original text. Default: true unless the token is
   * special.
   */
  readonly normalized?: boolean;
  readonly special?: boolean;
}

/** A part of a text: an added token, or the text between added tokens. */
export type Section =
  | { readonly id: number }
  | {
      readonly id?: undefined;
      readonly text: string;
      /** True if this is the start of the text that was split. */
      readonly atStart: boolean;
    };

/** A node of a trie with one UTF-16 code unit per step. `token` is set if a token ends at this node. */
interface Node {
  readonly next: Map<number, Node>;
  token?: AddedToken;
}

const endsWithWord = new RegExp(`[${wordCharacter}]$`, "u");
const startsWithWord = new RegExp(`^[${wordCharacter}]`, "u");
const isSpace = new RegExp(`^${space}$`, "u");

/** Splits texts at added tokens, by the same rules as Hugging Face's tokenizers library in Rust. */
export class AddedTokenSplitter {
  readonly #root: Node = { next: new Map() };

  /** `tokens` are pairs of a text to match and the token that it means. The texts must all be different. */
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
   * Splits a text into sections. The white space after a token with `rstrip` may contain another added token. That
   * token becomes a section too, unless it has `lstrip`.
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

  /** Yields non-overlapping matches from left to right; at each position the longest match. */
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
