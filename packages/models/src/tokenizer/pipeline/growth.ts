/** Characters that the parts of a tokenizer may add to a text: for each of its own, and to any text. */
const [addedPerCharacter, addedAlways] = [20, 65_536];

/** Thrown if the parts of a `tokenizer.json` make a text many times longer. */
export class TextGrowthError extends Error {
  override readonly name = "TextGrowthError";
  readonly code = "TOKENIZER_TEXT_GROWTH";
}

/**
 * Counts the characters that the parts of a tokenizer add to one text. NFKC makes 18 of a character
 * at most, and other parts of real tokenizers make 4; a chain of replacements could double a text
 * without end.
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

  /** Returns what replaces a match by `content`, for `replaceAll`. */
  replacing(content: string): (found: string) => string {
    return (found) => {
      this.add(content.length - found.length);
      return content;
    };
  }
}
