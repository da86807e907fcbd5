import { checkOptions } from "@lowrank/core/internal";
import { type DecodeOptions, decodeKeys } from "./decodeOptions.ts";

/** Options of a `StreamDecoder`. */
export interface StreamDecoderOptions extends DecodeOptions {
  /**
   * Ids that come before the stream, such as the prompt. Their text is not returned. The first new id is decoded as
   * their continuation, so that its leading space is kept. Default: none.
   */
  after?: ArrayLike<number>;
}

/** Decodes token ids one at a time to pieces of text that consist of whole characters. */
export class StreamDecoder {
  readonly #decode: (ids: number[]) => string;
  /** Ids whose text was returned before. The next ids are decoded as their continuation. */
  #context: number[];
  /** Ids that do not form whole characters yet, whose text is held back. */
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

  /** Adds an id and returns the text that it completes; "" while a character is incomplete. */
  push(id: number): string {
    this.#pending.push(id);
    const text = this.#pendingText();
    // U+FFFD at the end may mean an incomplete character, which the next ids may complete.
    if (text === "" || text.endsWith("\uFFFD")) return "";
    this.#context = this.#pending;
    this.#pending = [];
    return text;
  }

  /** Returns the text that is still held back. Call it once, at the end of the stream. */
  flush(): string {
    const text = this.#pending.length > 0 ? this.#pendingText() : "";
    this.#context = [...this.#context, ...this.#pending];
    this.#pending = [];
    return text;
  }

  /**
   * Returns the text that the pending ids add to the text of the context. Invalid UTF-8 can cause the pending ids to
   * change the text of the context. In that case, returns the text of the pending ids alone.
   */
  #pendingText(): string {
    const before = this.#decode(this.#context);
    const text = this.#decode([...this.#context, ...this.#pending]);
    return text.startsWith(before) ? text.slice(before.length) : this.#decode(this.#pending);
  }
}

/** Returns a function that returns the text of `tokens`, decoded as the continuation of the tokens `before`. */
export function textAfter(
  tokenizer: ConstructorParameters<typeof StreamDecoder>[0],
): (before: readonly number[], tokens: readonly number[]) => string {
  return (before, tokens) => {
    const decoder = new StreamDecoder(tokenizer, { after: before });
    return tokens.map((token) => decoder.push(token)).join("") + decoder.flush();
  };
}
