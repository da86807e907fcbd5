import type { Tokenizer } from "@lowrank/models";

/** Cache of the text and bytes of single tokens, for log-probabilities. */
export class TokenTexts {
  readonly #tokenizer: Tokenizer;
  readonly #known = new Map<number, { readonly text: string; readonly bytes: readonly number[] }>();

  constructor(tokenizer: Tokenizer) {
    this.#tokenizer = tokenizer;
  }

  /** Returns the text and bytes of a token; empty for a token beyond the tokenizer's vocabulary. */
  of(token: number): { readonly text: string; readonly bytes: readonly number[] } {
    const known = this.#known.get(token);
    if (known) return known;
    const bytes = token < this.#tokenizer.vocabSize ? this.#tokenizer.tokenBytes(token) : new Uint8Array();
    const made = { text: new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes), bytes: [...bytes] };
    this.#known.set(token, made);
    return made;
  }
}
