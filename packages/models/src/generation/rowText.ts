import type { DecodeOptions } from "../tokenizer/decodeOptions.ts";
import { StreamDecoder } from "../tokenizer/streamDecoder.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";

/** EOS tokens of a sequence and options for decoding. */
export interface RowTextSettings extends Required<DecodeOptions> {
  readonly eosTokenIds: readonly number[];
}

/** Filters stop sequences from the tokens and the text of a sequence. */
export interface StopFilter {
  /** True once a stop sequence is complete. */
  readonly stopped: boolean;
  /** Adds a token and returns the tokens that pass, without tokens of a stop sequence that is cut off. */
  pushToken(token: number): number[];
  /** Adds text and returns the part that passes, without a stop text that is cut off. */
  pushText(text: string): string;
  /** Returns the tokens still held back. */
  flushTokens(): number[];
  /** Returns the text still held back. */
  flushText(): string;
}

/** Decodes the tokens of one sequence to text, up to EOS or a stop sequence. */
export class RowText {
  /** True after EOS or a stop sequence. */
  ended = false;
  readonly #decoder: StreamDecoder;
  readonly #eosTokenIds: readonly number[];
  readonly #filter: StopFilter | null;

  /** Without a filter there are no stop sequences. */
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

  /** Adds a token and returns the new text: whole characters, without a stop sequence that is cut off. */
  push(token: number): string {
    if (this.#eosTokenIds.includes(token)) {
      this.ended = true;
      return "";
    }
    return this.#pass(this.#decode(this.#filter?.pushToken(token) ?? [token]));
  }

  /** Returns the text still held back. Call it once, at the end. */
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
