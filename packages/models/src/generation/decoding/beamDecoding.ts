import { Generator, logSoftmax, noGrad, reshape, scope, type Tensor, tensor } from "@lowrank/core";
import { checkLogits } from "@lowrank/core/internal";
import type { CausalLM } from "../../model/causalLM.ts";
import type { Processing } from "../settings/processing.ts";
import type { GenerationSettings } from "../settings/settings.ts";
import { type Beam, BeamSearch, drawn, filterLogProbabilities, likeliest } from "./beamSearch.ts";
import type { Decoding, EndTest } from "./decoding.ts";
import { ModelRows } from "./modelRows.ts";

/**
 * Decoding with several beams per prompt; each beam is a row of the batch. Continuations are chosen or sampled on the
 * model's backend.
 */
export class BeamDecoding implements Decoding {
  readonly #model: CausalLM;
  readonly #prompts: readonly (readonly number[])[];
  readonly #rows: ModelRows;
  readonly #processing: Processing | null;
  readonly #searches: readonly BeamSearch[];
  readonly #settings: GenerationSettings;
  readonly #generator: Generator;
  readonly #keep: number;
  readonly #returned: number;
  #started = false;

  constructor(
    model: CausalLM,
    prompts: readonly (readonly number[])[],
    settings: GenerationSettings & { capacity: number; maxNewTokens: number },
    ends: EndTest,
    processing: Processing | null,
  ) {
    const { numBeams, numReturnSequences, eosTokenIds, capacity, taskIds } = settings;
    this.#model = model;
    this.#prompts = prompts;
    this.#processing = processing;
    this.#rows = new ModelRows(model, prompts, { capacity, penalties: processing?.penalties, taskIds });
    this.#settings = settings;
    this.#generator = new Generator(settings.seed);
    this.#returned = numReturnSequences;
    // Choose enough candidates that `numBeams` of them continue even if the best include all EOS tokens.
    this.#keep = Math.max(2, 1 + eosTokenIds.length) * numBeams;
    this.#searches = prompts.map((prompt, row) => {
      const isEnd = (tokens: readonly number[]) =>
        eosTokenIds.includes(tokens[tokens.length - 1]) || ends(row, tokens, prompt);
      return new BeamSearch(settings, isEnd);
    });
  }

  /** The best sequences so far: `numReturnSequences` per prompt, in the order of the prompts. */
  get outputs(): number[][] {
    return this.#searches.flatMap((search) => search.best(this.#returned).map((tokens) => [...tokens]));
  }

  get done(): boolean {
    return this.#searches.every(({ done }) => done);
  }

  async step(): Promise<void> {
    const beams = this.#searches.map(({ running }) => running);
    using logits = this.#started ? this.#next(beams) : this.#rows.start();
    this.#started = true;
    const { values, positions } = await this.#continuations(logits, beams);
    const { vocabSize } = this.#model;
    const k = values.length / beams.length;
    for (const [prompt, search] of this.#searches.entries()) {
      const candidates = Array.from({ length: k }, (_, i) => {
        const at = positions[prompt * k + i];
        return { parent: Math.floor(at / vocabSize), token: at % vocabSize, score: values[prompt * k + i] };
      });
      // Sampled candidates come in random order, but `advance` expects the best first.
      search.advance(candidates.sort((a, b) => b.score - a.score));
    }
  }

  /**
   * Reorders the KV cache, so that each beam has the keys and values of the beam that it extends. Then runs the last
   * token of each beam through the model. Returns logits [rows, V].
   */
  #next(beams: readonly (readonly Beam[])[]): Tensor {
    this.#rows.select(this.#searches.flatMap(({ parents, rows }, prompt) => parents.map((p) => prompt * rows + p)));
    return this.#rows.next(beams.flat().map(({ tokens }) => tokens[tokens.length - 1]));
  }

  /**
   * Returns the scores [B, k] of the best or sampled continuations of each prompt. Also returns their positions beam *
   * V + token, where V is the vocabulary size.
   */
  async #continuations(
    logits: Tensor,
    beams: readonly (readonly Beam[])[],
  ): Promise<{ values: Float32Array; positions: Int32Array }> {
    const sequences = beams.flatMap((own, prompt) =>
      own.map(({ tokens }) => ({ prompt: this.#prompts[prompt], tokens })),
    );
    using logProbabilities = noGrad(() => logSoftmax(logits, { dim: 1 }));
    using wanted = (await this.#processing?.apply(logProbabilities, sequences)) ?? logProbabilities;
    const { vocabSize, backend } = this.#model;
    const width = beams[0].length * vocabSize;
    const { doSample, eosTokenIds, temperature, topK, topP, minP } = this.#settings;
    const chosen = noGrad(() =>
      scope(() => {
        const before = tensor(
          beams.flat().map(({ score }) => [score]),
          { backend },
        );
        const own = doSample
          ? filterLogProbabilities(wanted, { temperature, topK, topP, minP }, Math.max(2, 1 + eosTokenIds.length))
          : wanted;
        const scores = reshape(own.add(before), [beams.length, width]);
        return doSample ? drawn(scores, this.#keep, this.#generator) : likeliest(scores, this.#keep);
      }),
    );
    using values = chosen.values;
    using positions = chosen.positions;
    const read = { values: (await values.data()) as Float32Array, positions: (await positions.data()) as Int32Array };
    if (!read.values.every((value) => value < Infinity)) await this.#checkLogits(logits, wanted);
    // All scores are -Infinity if the logits are NaN, since top-p then keeps no token.
    if (read.values.every((value) => value === -Infinity)) await this.#checkLogits(logits);
    return read;
  }

  /** Checks tensors of logits or log-probabilities. Throws for the first row from which no token can be chosen. */
  async #checkLogits(...all: readonly Tensor[]): Promise<void> {
    const { vocabSize } = this.#model;
    for (const tensorOf of all) {
      const values = (await tensorOf.data()) as Float32Array;
      for (let at = 0; at < values.length; at += vocabSize) checkLogits(values.subarray(at, at + vocabSize));
    }
  }

  dispose(): void {
    this.#rows.dispose();
    this.#processing?.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
