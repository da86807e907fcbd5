import { StreamDecoder, type Tokenizer } from "@lowrank/models";
import { Holdback, type Stops } from "@lowrank/models/internal";

/** Settings that determine the output text of a sequence, and where it ends. */
export interface AnswerTextSettings {
  readonly eosTokenIds: readonly number[];
  readonly stopTokenIds: readonly number[];
  readonly stops: Stops;
  /** Until the sequence has this many new tokens, stop texts, stop tokens and end-of-sequence tokens do not end it. */
  readonly minTokens: number;
  /** Includes the stop text or stop token in the output. */
  readonly includeStop: boolean;
  readonly skipSpecialTokens: boolean;
}

/** Converts the new tokens of one sequence to text, and detects its end. */
export class AnswerText {
  /** True after a stop or an end-of-sequence token. */
  ended = false;
  /** Stop text, or id of the stop token, that ended the sequence; null for none. */
  stopReason: string | number | null = null;
  readonly #settings: AnswerTextSettings;
  readonly #decoder: StreamDecoder;
  readonly #sequences: Holdback<number>;
  readonly #units: Holdback<string, string>;
  #newTokens = 0;

  constructor(tokenizer: Tokenizer, prompt: readonly number[], settings: AnswerTextSettings) {
    const { stops, includeStop, skipSpecialTokens } = settings;
    this.#settings = settings;
    this.#decoder = new StreamDecoder(tokenizer, { after: prompt, skipSpecialTokens });
    this.#sequences = new Holdback(stops.sequences, includeStop);
    this.#units = new Holdback(stops.texts, includeStop);
  }

  /**
   * Adds a token, and returns the text that can now be output. Holds back incomplete characters, and an ending of the
   * text that may be the beginning of a stop text.
   */
  push(token: number): string {
    const { eosTokenIds, stopTokenIds, includeStop } = this.#settings;
    this.#newTokens += 1;
    const isEos = this.#mayStop && eosTokenIds.includes(token);
    if (isEos || (this.#mayStop && stopTokenIds.includes(token))) {
      this.ended = true;
      if (!isEos) this.stopReason = token;
      return includeStop ? this.#pass(this.#decode([token])) : "";
    }
    const passed = this.#sequences.push(token, this.#mayStop);
    if (this.#sequences.stopped) this.ended = true;
    return this.#pass(this.#decode(passed));
  }

  /** Returns the text that is still held back. Call this method once, at the end of the sequence. */
  flush(): string {
    const text = this.#pass(this.#decode(this.#sequences.flush()) + this.#decoder.flush());
    return text + this.#units.flush().join("");
  }

  get #mayStop(): boolean {
    return this.#newTokens > this.#settings.minTokens;
  }

  #pass(text: string): string {
    const passed = text.split("").flatMap((unit) => this.#units.push(unit, this.#mayStop));
    if (this.#units.found !== null) {
      this.ended = true;
      this.stopReason = this.#units.found;
    }
    return passed.join("");
  }

  #decode(tokens: readonly number[]): string {
    return tokens.map((token) => this.#decoder.push(token)).join("");
  }
}

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
