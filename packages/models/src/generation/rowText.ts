import type { DecodeOptions } from "../tokenizer/decodeOptions.ts";
import { StreamDecoder } from "../tokenizer/streamDecoder.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";

/** The end of a sequence, and its special tokens. */
export interface RowTextSettings extends Required<DecodeOptions> {
  readonly eosTokenIds: readonly number[];
}

/** Looks for stops in what passes. */
export interface StopFilter {
  /** True once a stop is complete. */
  readonly stopped: boolean;
  /** The tokens that this one lets pass; none of a stop that is cut. */
  pushToken(token: number): number[];
  /** The part of a text that passes; none of a stop that is cut. */
  pushText(text: string): string;
  /** The tokens still held back. */
  flushTokens(): number[];
  /** The text still held back. */
  flushText(): string;
}

/** The text of one sequence as its tokens come, up to EOS or a stop. */
export class RowText {
  /** True once EOS or a stop has come. */
  ended = false;
  readonly #decoder: StreamDecoder;
  readonly #eosTokenIds: readonly number[];
  readonly #filter: StopFilter | null;

  /** Without a filter there are no stops. */
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

  /** The text that this token lets out: whole characters, and none of a stop that is cut. */
  push(token: number): string {
    if (this.#eosTokenIds.includes(token)) {
      this.ended = true;
      return "";
    }
    return this.#pass(this.#decode(this.#filter?.pushToken(token) ?? [token]));
  }

  /** The text still held back: call it once, at the end. */
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
