import { StreamDecoder } from "../tokenizer/streamDecoder.ts";
import type { DecodeOptions, Tokenizer } from "../tokenizer/tokenizer.ts";
import { Holdback } from "./holdback.ts";
import type { Stops } from "./stops.ts";

/** The end of a sequence, and its special tokens. */
interface RowTextSettings extends Required<DecodeOptions> {
  readonly stops: Stops;
  readonly eosTokenIds: readonly number[];
}

/** The text of one sequence as its tokens come, up to EOS or a stop. */
export class RowText {
  /** True once EOS or a stop has come. */
  ended = false;
  readonly #decoder: StreamDecoder;
  readonly #eosTokenIds: readonly number[];
  readonly #stops: Stops;
  readonly #tokens: Holdback<number>;
  readonly #units: Holdback<string>;
  /** The end of the text that has passed, in which a stop that stays may begin. */
  #tail = "";

  constructor(tokenizer: Tokenizer, prompt: readonly number[], { stops, eosTokenIds, ...decoding }: RowTextSettings) {
    this.#decoder = new StreamDecoder(tokenizer, { after: prompt, ...decoding });
    this.#eosTokenIds = eosTokenIds;
    this.#stops = stops;
    this.#tokens = new Holdback(stops.sequences);
    this.#units = new Holdback(stops.texts);
  }

  /** The text that this token lets out: whole characters, and none of a stop that is cut. */
  push(token: number): string {
    if (this.#eosTokenIds.includes(token)) {
      this.ended = true;
      return "";
    }
    const text = this.#decode(this.#tokens.push(token));
    if (this.#tokens.stopped) this.ended = true;
    return this.#pass(text);
  }

  /** The text still held back: call it once, at the end. */
  flush(): string {
    const text = this.#decode(this.#tokens.flush()) + this.#decoder.flush();
    return this.#pass(text) + this.#units.flush().join("");
  }

  #decode(tokens: readonly number[]): string {
    return tokens.map((token) => this.#decoder.push(token)).join("");
  }

  #pass(text: string): string {
    const { kept } = this.#stops;
    this.#tail += text;
    if (kept.some((stop) => this.#tail.includes(stop))) this.ended = true;
    this.#tail = this.#tail.slice(-Math.max(1, ...kept.map((stop) => stop.length)));
    const passed = text
      .split("")
      .flatMap((unit) => this.#units.push(unit))
      .join("");
    if (this.#units.stopped) this.ended = true;
    return passed;
  }
}
