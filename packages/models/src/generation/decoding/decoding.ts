import { Generator, type Tensor } from "@lowrank/core";
import { argmaxTokens, checkLogits } from "@lowrank/core/internal";
import type { CausalLM } from "../../model/causalLM.ts";
import type { Processing } from "../settings/processing.ts";
import type { GenerationSettings } from "../settings/settings.ts";
import type { drawTokens } from "./drawTokens.ts";
import { ModelRows } from "./modelRows.ts";

/** Sequences that are being generated. Each step adds one token to each of them. */
export interface Decoding extends Disposable {
  /** The new tokens of each sequence. */
  readonly outputs: number[][];
  /** True once every sequence has ended. */
  readonly done: boolean;
  step(): Promise<void>;
}

/**
 * Returns true if the sequence in row `row` ends with its newest token, the last element of `tokens`. Called once after
 * each new token.
 */
export type EndTest = (row: number, tokens: readonly number[], prompt: readonly number[]) => boolean;

/** Decoding with one sequence per row. Takes the most likely token, or samples a token with `draw` if it is given. */
export class RowDecoding implements Decoding {
  readonly outputs: number[][];
  readonly #model: CausalLM;
  readonly #prompts: readonly (readonly number[])[];
  readonly #settings: GenerationSettings;
  readonly #ends: EndTest;
  readonly #draw: typeof drawTokens | null;
  readonly #rows: ModelRows;
  readonly #processing: Processing | null;
  readonly #generator: Generator;
  readonly #ended: boolean[];
  /**
   * The newest token of each row, which is the model's input in the next step. A row that has ended has null instead of
   * a token. The whole list is null before the first step.
   */
  #next: (number | null)[] | null = null;

  constructor(
    model: CausalLM,
    prompts: readonly (readonly number[])[],
    settings: GenerationSettings & { capacity: number },
    ends: EndTest,
    processing: Processing | null,
    draw: typeof drawTokens | null,
  ) {
    this.#draw = draw;
    this.#model = model;
    this.#prompts = prompts;
    this.#settings = settings;
    this.#ends = ends;
    this.#processing = processing;
    const { capacity, promptCache, taskIds } = settings;
    this.#rows = new ModelRows(model, prompts, { capacity, penalties: processing?.penalties, promptCache, taskIds });
    this.#generator = new Generator(settings.seed);
    this.outputs = prompts.map(() => []);
    this.#ended = prompts.map(() => false);
  }

  get done(): boolean {
    return this.#ended.every((ended) => ended);
  }

  async step(): Promise<void> {
    using logits = this.#next ? this.#rows.next(this.#next) : this.#rows.start();
    const tokens = await this.#choose(logits);
    this.#next = this.#prompts.map((prompt, row) => {
      if (this.#ended[row]) return null;
      const token = tokens[row];
      const own = this.outputs[row];
      own.push(token);
      this.#settings.onToken?.(token, row);
      const stopped = this.#ends(row, own, prompt);
      if (stopped || this.#settings.eosTokenIds.includes(token)) this.#ended[row] = true;
      return token;
    });
  }

  /**
   * Chooses the next token of each row from its logits. Throws if a row that has not ended has no token to choose, for
   * example because its logits are NaN.
   */
  async #choose(logits: Tensor): Promise<Int32Array> {
    const sequences = this.#prompts.map((prompt, row) => {
      return { prompt, tokens: this.outputs[row], ended: this.#ended[row] };
    });
    using wanted = (await this.#processing?.apply(logits, sequences)) ?? logits;
    using chosen = this.#draw?.(wanted, this.#settings, this.#generator) ?? argmaxTokens(wanted);
    const tokens = (await chosen.data()) as Int32Array;
    const bad = tokens.findIndex((token, row) => token < 0 && !this.#ended[row]);
    if (bad >= 0) {
      const { vocabSize } = this.#model;
      checkLogits(((await wanted.data()) as Float32Array).subarray(bad * vocabSize, (bad + 1) * vocabSize));
    }
    return tokens;
  }

  dispose(): void {
    this.#rows.dispose();
    this.#processing?.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
