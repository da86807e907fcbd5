import type { DecodeOptions } from "../../tokenizer/decodeOptions.ts";
import { StreamDecoder } from "../../tokenizer/streamDecoder.ts";
import type { Tokenizer } from "../../tokenizer/tokenizer.ts";

/** The EOS tokens that end a sequence, and options for decoding. */
export interface RowTextSettings extends Required<DecodeOptions> {
  readonly eosTokenIds: readonly number[];
}

/** Removes stop sequences from the tokens and the text of one generated sequence. */
export interface StopFilter {
  /** True once a stop sequence is complete. */
  readonly stopped: boolean;
  /** Adds a token, and returns the tokens that can no longer be part of a stop sequence. */
  pushToken(token: number): number[];
  /** Adds text, and returns the text that can no longer be part of a stop text. */
  pushText(text: string): string;
  /** Returns the tokens that are still held back. Call it at the end. */
  flushTokens(): number[];
  /** Returns the text that is still held back. Call it at the end. */
  flushText(): string;
}

/** Converts the new tokens of one sequence to text, up to EOS or a stop sequence. */
export class RowText {
  /** True after EOS or a stop sequence. */
  ended = false;
  readonly #decoder: StreamDecoder;
  readonly #eosTokenIds: readonly number[];
  readonly #filter: StopFilter | null;

  /** `filter` finds stop sequences; null if there are none. */
  constructor(
    tokenizer: Tokenizer,
    prompt: readonly number[],
    { eosTokenIds, ...decoding }: RowTextSettings,
    filter: StopFilter | null,
  ) {
    this.#decoder = new StreamDecoder(tokenizer, { after: prompt, ...decoding });
    this.#eosTokenIds = eosTokenIds;
    this.#filter = filter;
  }

  /**
   * Adds a token. Returns the text, in whole characters, that is complete and cannot be part of a stop sequence. Other
   * text is held back.
   */
  push(token: number): string {
    if (this.#eosTokenIds.includes(token)) {
      this.ended = true;
      return "";
    }
    return this.#pass(this.#decode(this.#filter?.pushToken(token) ?? [token]));
  }

  /** Returns the text that is still held back. Call it once, at the end. */
  flush(): string {
    const text = this.#pass(this.#decode(this.#filter?.flushTokens() ?? []) + this.#decoder.flush());
    return text + (this.#filter?.flushText() ?? "");
  }

  #pass(text: string): string {
    const passed = this.#filter?.pushText(text) ?? text;
    if (this.#filter?.stopped) this.ended = true;
    return passed;
  }

  #decode(tokens: readonly number[]): string {
    return tokens.map((token) => this.#decoder.push(token)).join("");
  }
}
