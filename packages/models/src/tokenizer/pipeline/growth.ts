/**
 * Maximum number of characters that the parts of a tokenizer may add: per character of the text, and in addition to any
 * text.
 */
const [addedPerCharacter, addedAlways] = [20, 65_536];

/** Thrown if the parts of a `tokenizer.json` make a text many times longer. */
export class TextGrowthError extends Error {
  override readonly name = "TextGrowthError";
  readonly code = "TOKENIZER_TEXT_GROWTH";
}

/**
 * Counts the characters that the parts of a tokenizer add to one text. NFKC turns one character into at most 18, and
 * other parts of real tokenizers into at most 4. A malicious chain of replacements could double a text again and again.
 */
export class Growth {
  readonly #length: number;
  readonly #most: number;
  #added = 0;

  constructor(length: number) {
    this.#length = length;
    this.#most = addedPerCharacter * length + addedAlways;
  }

  /** Counts added characters; a negative number counts as none. Throws `TextGrowthError` for too many. */
  add(characters: number): void {
    this.#added += Math.max(0, characters);
    if (this.#added <= this.#most) return;
    throw new TextGrowthError(
      `tokenizer.json: its parts add more than ${this.#most} characters to a text of ${this.#length}; ` +
        "remove the Replace that makes it so long",
    );
  }

  /** Returns a replacement function for `replaceAll` that counts the added characters. */
  replacing(content: string): (found: string) => string {
    return (found) => {
      this.add(content.length - found.length);
      return content;
    };
  }
}
