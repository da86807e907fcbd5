import type { AddedTokenSplitter, Section } from "./pipeline/addedTokens.ts";
import type { Normalizer } from "./pipeline/normalizers.ts";
import type { Frame } from "./pipeline/postProcessors.ts";
import type { PreTokenizer } from "./pipeline/preTokenizers.ts";
import type { TokenModel } from "./pipeline/tokenModels/tokenModel.ts";

/** The steps that convert a text to ids, in the order in which they run. */
export interface EncodingParts {
  /** Finds the added tokens with `normalized` false, in the text before it is normalized. */
  readonly rawTokens: AddedTokenSplitter;
  readonly normalizer: Normalizer;
  /** Finds the added tokens with `normalized` true, in normalized text. */
  readonly normalizedTokens: AddedTokenSplitter;
  readonly preTokenizer: PreTokenizer;
  readonly model: TokenModel;
  readonly frame: Frame;
}

/**
 * Converts a text to ids, with special tokens around it if `addSpecialTokens` is true. Throws `UnknownTextError` if a
 * part of the text matches no token and the model has no unknown token.
 */
export type EncodeIds = (text: string, addSpecialTokens: boolean) => number[];

/**
 * Returns a function that converts a text to ids, word by word. It caches the ids of short words, so that 10 MB of text
 * take seconds, and never holds a list of all words.
 */
export function encoderOf({
  rawTokens,
  normalizedTokens,
  normalizer,
  model,
  frame,
  ...parts
}: EncodingParts): EncodeIds {
  const { split, write = (word: string) => word } = parts.preTokenizer;
  const idsOfLetters = remembering((letters) => model.encode(letters));
  const idsOfWord = remembering((word) => model.encode(write(word)));

  function encodeText(text: string, ids: IdList): void {
    for (const raw of rawTokens.split(text)) {
      if (raw.id !== undefined) {
        ids.push(raw.id);
        continue;
      }
      const atStart = raw.atStart && !normalizer.removesStart(raw.text);
      for (const section of normalizedTokens.split(normalizer.normalize(raw.text))) {
        encodeSection(section, atStart, ids);
      }
    }
  }

  function encodeSection(section: Section, atStart: boolean, ids: IdList): void {
    if (section.id !== undefined) {
      ids.push(section.id);
      return;
    }
    for (const word of split(section.text, atStart && section.atStart)) {
      if (word.length <= longestKnown) {
        if (word !== "") for (const id of idsOfWord(word)) ids.push(id);
        continue;
      }
      const letters = write(word);
      for (const part of model.cut?.(letters) ?? [letters]) for (const id of idsOfLetters(part)) ids.push(id);
    }
  }

  return (text, addSpecialTokens) => {
    const ids = new IdList();
    for (const item of frame) {
      if (item === "text") encodeText(text, ids);
      else if (addSpecialTokens) ids.push(item);
    }
    return ids.toArray();
  };
}

/**
 * Maximum number of cached words (`mostWords`), and maximum length of a cached word in UTF-16 code units
 * (`longestKnown`). V8 may store a longer word as a reference to the whole text, which the cache would then keep in
 * memory.
 */
const mostWords = 20_000;
const longestKnown = 12;

/**
 * Returns a function that calls `make` and caches the results for short words. When the cache is full, it is emptied.
 */
function remembering<T>(make: (word: string) => T): (word: string) => T {
  const known = new Map<string, T>();
  return (word) => {
    const found = known.get(word);
    if (found !== undefined) return found;
    const made = make(word);
    if (word.length > longestKnown) return made;
    if (known.size >= mostWords) known.clear();
    known.set(word, made);
    return made;
  };
}

/**
 * Number of ids per Int32Array. A long list of ids is stored in several such arrays, because a single growing array of
 * millions of ids would be copied many times.
 */
const idsInPiece = 65_536;

/** Collects the ids of a long text without copying them again and again. */
export class IdList {
  readonly #pieces: Int32Array[] = [];
  #last: number[] = [];

  push(id: number): void {
    if (this.#last.length === idsInPiece) {
      this.#pieces.push(Int32Array.from(this.#last));
      this.#last = [];
    }
    this.#last.push(id);
  }

  toArray(): number[] {
    if (this.#pieces.length === 0) return this.#last;
    const ids = new Array<number>(this.#pieces.length * idsInPiece + this.#last.length);
    let at = 0;
    for (const piece of [...this.#pieces, this.#last]) for (const id of piece) ids[at++] = id;
    return ids;
  }
}
