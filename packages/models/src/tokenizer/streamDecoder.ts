import { checkOptions } from "@lowrank/core";
import { type DecodeOptions, decodeKeys } from "./decodeOptions.ts";

/** Options of a `StreamDecoder`. */
export interface StreamDecoderOptions extends DecodeOptions {
  /**
   * The ids that the stream goes on from: its text follows theirs, so that a leading
   * space is kept. Default none.
   */
  after?: ArrayLike<number>;
}

/** Turns token ids, one at a time, into pieces of text that never split a character. */
export class StreamDecoder {
  readonly #decode: (ids: number[]) => string;
  /** Ids whose text is out; kept as the context of those that follow. */
  #context: number[];
  /** Ids whose text is still held back. */
  #pending: number[] = [];

  constructor(
    tokenizer: { decode(ids: ArrayLike<number>, options?: DecodeOptions): string },
    options: StreamDecoderOptions = {},
  ) {
    checkOptions("StreamDecoder", options, { ...decodeKeys, after: true });
    const { after = [], ...decodeOptions } = options;
    this.#decode = (ids) => tokenizer.decode(ids, decodeOptions);
    this.#context = Array.from(after);
  }

  /** The text that this id completes; "" while a character is incomplete. */
  push(id: number): string {
    this.#pending.push(id);
    const text = this.#pendingText();
    // U+FFFD at the end may be the start of a character, or the text itself: the next ids tell.
    if (text === "" || text.endsWith("\uFFFD")) return "";
    this.#context = this.#pending;
    this.#pending = [];
    return text;
  }

  /** The text still held back: call it once, at the end. */
  flush(): string {
    const text = this.#pending.length > 0 ? this.#pendingText() : "";
    this.#context = [...this.#context, ...this.#pending];
    this.#pending = [];
    return text;
  }

  /**
   * Returns the text that the pending ids add to the context's. If they change that text, as after
   * broken bytes, returns their text on its own.
   */
  #pendingText(): string {
    const before = this.#decode(this.#context);
    const text = this.#decode([...this.#context, ...this.#pending]);
    return text.startsWith(before) ? text.slice(before.length) : this.#decode(this.#pending);
  }
}

/** Returns a function that reads tokens as text, after those before them. */
export function textAfter(
  tokenizer: ConstructorParameters<typeof StreamDecoder>[0],
): (before: readonly number[], tokens: readonly number[]) => string {
  return (before, tokens) => {
    const decoder = new StreamDecoder(tokenizer, { after: before });
    return tokens.map((token) => decoder.push(token)).join("") + decoder.flush();
  };
}
