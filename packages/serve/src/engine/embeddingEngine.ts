import { giveTurn, mean, noGrad, scope, type Tensor, tensor, withBackend } from "@lowrank/core";
import type { SequenceClassifier, Tokenizer } from "@lowrank/models";
import {
  type ServedAdapter,
  type ServingEngine,
  ServingError,
  type ServingEvent,
  type ServingModel,
  type ServingPrompt,
  type ServingStats,
} from "../api.ts";
import { decode, noAdapters, noStore } from "./answers.ts";
import { checkBackend } from "./checkBackend.ts";
import type { EngineOptions } from "./engineOptions.ts";
import { readPrompt } from "./readRequest.ts";
import { Turnstile } from "./turnstile.ts";

/**
 * Gives embeddings by an encoder: the mean of the final hidden states over a text's tokens, as in
 * sentence-transformers, at length 1. Texts run one after the other: none has padding, so that an
 * embedding does not depend on the texts beside it.
 */
export class EmbeddingEngine implements ServingEngine {
  readonly #name: string;
  readonly #model: SequenceClassifier;
  readonly #tokenizer: Tokenizer;
  readonly #turnstile = new Turnstile();
  readonly #created = Math.floor(Date.now() / 1000);
  #waiting = 0;
  #running = 0;
  #passes = 0;
  #promptTokens = 0;
  #batchRows = 0;
  /** Calls of `embed` that have begun and not ended. */
  readonly #calls = new Set<Promise<unknown>>();
  #draining = false;
  #closed = false;

  constructor(model: SequenceClassifier, { tokenizer, servedModelName, adapters }: EngineOptions) {
    checkBackend(model.backend);
    if (adapters) throw new Error("createEngine: an encoder is served without adapters; leave `adapters` out");
    this.#name = servedModelName;
    this.#model = model.eval();
    this.#tokenizer = tokenizer;
  }

  async model(): Promise<ServingModel> {
    const { vocabSize, maxPositions } = this.#model;
    return {
      ...{ name: this.#name, vocabSize, maxPositions, created: this.#created },
      ...{ task: "embed", hasChatTemplate: this.#tokenizer.chatTemplate !== null },
    };
  }

  // biome-ignore lint/correctness/useYield: a refusal has no events.
  async *generate(): AsyncGenerator<ServingEvent, void, void> {
    throw new ServingError("invalid_request", `${this.#name} gives embeddings; it generates no text`, "model");
  }

  async embed(
    inputs: readonly (string | readonly number[])[],
  ): Promise<{ embeddings: Float32Array[]; tokens: number }> {
    this.#checkOpen();
    if (this.#draining) throw new ServingError("draining", "the server is shutting down; try another", null, 1);
    const call = this.#embed(inputs);
    this.#calls.add(call);
    try {
      return await call;
    } finally {
      this.#calls.delete(call);
    }
  }

  #checkOpen(): void {
    if (this.#closed) throw new ServingError("unavailable", "the engine is closed");
  }

  async #embed(
    inputs: readonly (string | readonly number[])[],
  ): Promise<{ embeddings: Float32Array[]; tokens: number }> {
    const { vocabSize, maxPositions } = this.#model;
    const lists: number[][] = [];
    for (const input of inputs) {
      const prompt = typeof input === "string" ? { text: input } : { tokens: input };
      const tokens = await readPrompt(prompt, this.#tokenizer, vocabSize);
      if (tokens.length > maxPositions) {
        throw new ServingError(
          "invalid_request",
          `this model's maximum context length is ${maxPositions} tokens; an input has ${tokens.length}`,
          "input",
        );
      }
      lists.push(tokens);
    }
    const embeddings: Float32Array[] = [];
    for (const tokens of lists) embeddings.push(await this.#inTurn(tokens));
    return { embeddings, tokens: lists.reduce((sum, { length }) => sum + length, 0) };
  }

  async #inTurn(tokens: readonly number[]): Promise<Float32Array> {
    this.#waiting += 1;
    return this.#turnstile.pass(async () => {
      this.#waiting -= 1;
      this.#checkOpen();
      this.#running = 1;
      try {
        await giveTurn();
        return await this.#embedding(tokens);
      } finally {
        this.#running = 0;
      }
    });
  }

  async #embedding(tokens: readonly number[]): Promise<Float32Array> {
    const { backend } = this.#model;
    this.#passes += 1;
    this.#batchRows = tokens.length;
    this.#promptTokens += tokens.length;
    using pooled = withBackend(backend, () =>
      noGrad(() =>
        scope((): Tensor => {
          const inputIds = tensor(Int32Array.from(tokens), { shape: [1, tokens.length] });
          return mean(this.#model.hidden({ inputIds }), { dim: 1 });
        }),
      ),
    );
    const vector = (await pooled.data()) as Float32Array;
    const length = Math.sqrt(vector.reduce((sum, x) => sum + x * x, 0));
    if (Number.isFinite(length) && length > 0) return vector.map((x) => x / length);
    throw new ServingError("unavailable", `the model failed: an embedding has the length ${length}`);
  }

  async tokenize(prompt: ServingPrompt): Promise<number[]> {
    return readPrompt(prompt, this.#tokenizer, this.#model.vocabSize);
  }

  async detokenize(tokens: readonly number[]): Promise<string> {
    return decode(this.#tokenizer, tokens);
  }

  async adapters(): Promise<readonly ServedAdapter[]> {
    return [];
  }

  loadAdapter(): Promise<ServedAdapter> {
    return Promise.reject(noStore());
  }

  unloadAdapter(): Promise<void> {
    return Promise.reject(noStore());
  }

  async stats(): Promise<ServingStats> {
    return {
      ...{ waiting: this.#waiting, running: this.#running, batchRows: this.#batchRows, decodeRows: 0 },
      ...{ passes: this.#passes, promptTokens: this.#promptTokens, cachedTokens: 0, newTokens: 0, preemptions: 0 },
      ...{ pages: { total: 0, used: 0, cached: 0 }, adapters: noAdapters, requests: [] },
    };
  }

  async drain(): Promise<void> {
    this.#draining = true;
    await Promise.allSettled(this.#calls);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#calls);
  }
}
