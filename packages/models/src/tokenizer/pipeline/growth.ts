/**
 * Limits for text growth: the parts of a tokenizer may add at most `addedPerCharacter` characters per character of the
 * text, plus `addedAlways`.
 */
const [addedPerCharacter, addedAlways] = [20, 65_536];

/** Thrown if the parts of a `tokenizer.json` would make a text many times longer. */
export class TextGrowthError extends Error {
  override readonly name = "TextGrowthError";
  readonly code = "TOKENIZER_TEXT_GROWTH";
}

/**
 * Counts the characters that the parts of a tokenizer, such as normalizers, add to a text, and throws if there are too
 * many. Real tokenizers stay below the limit: NFKC turns a character into at most 18, other parts into at most 4. A
 * malicious chain of replacements could double a text again and again.
 */
export class Growth {
  readonly #length: number;
  readonly #most: number;
  #added = 0;

  constructor(length: number) {
    this.#length = length;
    this.#most = addedPerCharacter * length + addedAlways;
  }

  /** Adds to the count; negative numbers count as 0. Throws `TextGrowthError` if the count is too high. */
  add(characters: number): void {
    this.#added += Math.max(0, characters);
    if (this.#added <= this.#most) return;
    throw new TextGrowthError(
      `tokenizer.json: the normalizer and pre-tokenizer add more than ${this.#most} characters to a text of ${this.#length}; ` +
        "remove the Replace that makes the text so long",
    );
  }

  /**
   * Returns a replacer function for `replaceAll`. It returns `content` for each match, and adds to the count the
   * characters by which `content` is longer than the match.
   */
  replacing(content: string): (found: string) => string {
    return (found) => {
      this.add(content.length - found.length);
      return content;
    };
  }
}
