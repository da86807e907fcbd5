import { yieldIfDue } from "@lowrank/core";
import { checkOptions, yieldToEventLoop } from "@lowrank/core/internal";
import { PeftModel } from "@lowrank/peft";
import type { AdapterLease, AdapterProvider } from "../api/adapterProvider.ts";
import {
  type EmbedOptions,
  type LoadOptions,
  type ServedAdapter,
  type ServingEngine,
  ServingError,
  type ServingEvent,
  type ServingModel,
  type ServingPrompt,
  type ServingStats,
  type UnloadOptions,
} from "../api/api.ts";
import { asServingError, decode, noAdapters, noStore, unknownModel } from "../engine/answers/answers.ts";
import { checkBackend } from "../engine/engineOptions.ts";
import { ModelAdapters } from "../engine/modelAdapters.ts";
import { Mutex } from "../engine/mutex.ts";
import { readPrompt } from "../engine/requests/readPrompt.ts";
import { type EmbeddingEngineOptions, type EmbeddingSettings, embeddingSettings } from "./embeddingOptions.ts";
import { embedTexts, paddedLength } from "./embedTexts.ts";
import { readText, type TextReader } from "./readText.ts";
import { TextQueue, type WaitingText } from "./textQueue.ts";

/** Embeddings of a request's inputs, and the number of their tokens. */
interface Embedded {
  embeddings: Float32Array[];
  tokens: number;
}

/**
 * Engine that computes embeddings with an encoder. Texts of all requests wait in one queue. A pass takes texts of equal
 * padded length and adapter, so that an embedding depends bit for bit on its text and adapter alone.
 */
class EmbeddingEngine implements ServingEngine {
  readonly #name: string;
  readonly #model: EmbeddingEngineOptions["model"];
  readonly #reader: TextReader;
  readonly #settings: EmbeddingSettings;
  readonly #queue = new TextQueue();
  readonly #mutex = new Mutex();
  readonly #host: ModelAdapters | null;
  readonly #adapters: AdapterProvider | null;
  readonly #created = Math.floor(Date.now() / 1000);
  readonly #counts = { running: 0, passes: 0, promptTokens: 0, batchRows: 0 };
  /** Running calls of `embed`. */
  readonly #calls = new Set<Promise<unknown>>();
  /** Number of inputs of the running calls. */
  #pending = 0;
  #isPassing = false;
  #draining = false;
  #closed = false;

  constructor({ model, tokenizer, servedModelName, adapters }: EmbeddingEngineOptions, settings: EmbeddingSettings) {
    this.#name = servedModelName;
    // An encoder has no cache.
    const pool = { drop: () => undefined };
    this.#host = adapters ? new ModelAdapters(new PeftModel(model), pool, this.#mutex) : null;
    this.#adapters = adapters?.(this.#host!) ?? null;
    this.#model = model;
    model.eval();
    this.#settings = settings;
    this.#reader = { tokenizer, vocabSize: model.vocabSize, settings };
  }

  async model(): Promise<ServingModel> {
    return {
      ...{ name: this.#name, vocabSize: this.#model.vocabSize, maxPositions: this.#settings.maxModelLen },
      modelPositions: this.#settings.maxModelLen,
      ...{ created: this.#created, task: "embed", hasChatTemplate: false },
    };
  }

  // biome-ignore lint/correctness/useYield: a refusal has no events.
  async *generate(): AsyncGenerator<ServingEvent, void, void> {
    throw new ServingError("invalid_request", `${this.#name} gives embeddings; it generates no text`, "model");
  }

  async embed(inputs: readonly (string | readonly number[])[], options: EmbedOptions = {}): Promise<Embedded> {
    this.#checkOpen();
    if (this.#draining) throw new ServingError("draining", "the server is shutting down; try another", null, 1);
    const { maxQueue } = this.#settings;
    if (this.#pending + inputs.length > maxQueue) {
      throw new ServingError(
        "queue_full",
        `${this.#pending} texts wait or run, and ${inputs.length} more are above the limit of ${maxQueue}; try again later`,
        null,
        1,
      );
    }
    const call = this.#embed(inputs, options);
    this.#pending += inputs.length;
    this.#calls.add(call);
    try {
      return await call;
    } finally {
      this.#pending -= inputs.length;
      this.#calls.delete(call);
    }
  }

  #checkOpen(): void {
    if (this.#closed) throw new ServingError("unavailable", "the engine is closed");
  }

  /** Tokenizes all inputs before any of them is queued, so that a request with an invalid input costs no pass. */
  async #embed(inputs: readonly (string | readonly number[])[], options: EmbedOptions): Promise<Embedded> {
    const texts: (readonly number[])[] = [];
    for (const input of inputs) {
      await yieldIfDue();
      texts.push(await readText(input, options, this.#reader));
    }
    const lease = await this.#acquire(options);
    try {
      this.#checkOpen();
      const embeddings = await this.#answers(texts, lease?.version ?? null);
      return { embeddings, tokens: texts.reduce((sum, { length }) => sum + length, 0) };
    } finally {
      lease?.release();
    }
  }

  /** Acquires the adapter that a request names; null if it names none. */
  async #acquire({ adapter = null, tenant = "", ...user }: EmbedOptions): Promise<AdapterLease | null> {
    if (adapter === null) return null;
    if (!this.#adapters) throw unknownModel(adapter);
    return this.#adapters.acquire(adapter, { tenant, ...user }).catch((error) => {
      throw asServingError(error);
    });
  }

  /** Queues texts, and returns their embeddings when all are complete. */
  async #answers(texts: readonly (readonly number[])[], version: string | null): Promise<Float32Array[]> {
    const waiting: WaitingText[] = [];
    const answers = texts.map((tokens) => {
      const padded = paddedLength(tokens.length, this.#model.maxPositions);
      return new Promise<Float32Array>((resolve, reject) => waiting.push({ tokens, padded, version, resolve, reject }));
    });
    this.#queue.push(waiting);
    void this.#runPasses();
    // The lease must last until none of its texts can be in a pass.
    await Promise.allSettled(answers);
    return Promise.all(answers);
  }

  /** Runs passes until no text waits. Requests can arrive between passes. */
  async #runPasses(): Promise<void> {
    if (this.#isPassing) return;
    this.#isPassing = true;
    for (;;) {
      await yieldToEventLoop();
      const texts = this.#queue.take(this.#settings);
      if (texts.length === 0) break;
      await this.#mutex.runExclusive(() => this.#pass(texts));
    }
    this.#isPassing = false;
  }

  /** Computes a pass, and settles the promise of each text. */
  async #pass(texts: readonly WaitingText[]): Promise<void> {
    const [{ padded, version }] = texts;
    const counts = this.#counts;
    counts.running = texts.length;
    counts.passes += 1;
    counts.batchRows = texts.length * padded;
    counts.promptTokens += texts.reduce((sum, { tokens }) => sum + tokens.length, 0);
    try {
      const lists = texts.map(({ tokens }) => tokens);
      const means = await this.#underAdapter(version, lists, () => embedTexts(this.#model, lists, padded));
      for (const [i, { resolve, reject }] of texts.entries()) {
        if (means[i].every(Number.isFinite)) resolve(this.#settings.normalize ? atUnitLength(means[i]) : means[i]);
        else reject(new ServingError("unavailable", "the model failed: an embedding is not finite"));
      }
    } catch (error) {
      const message = `the model failed: ${(error as Error).message}`;
      for (const { reject } of texts) reject(new ServingError("unavailable", message));
    } finally {
      counts.running = 0;
    }
  }

  #underAdapter<T>(version: string | null, texts: readonly unknown[], run: () => T): T {
    if (!this.#host) return run();
    return this.#host.run(
      texts.map(() => version),
      run,
    );
  }

  async tokenize(prompt: ServingPrompt): Promise<number[]> {
    return readPrompt(prompt, this.#reader.tokenizer, this.#reader.vocabSize);
  }

  async detokenize(tokens: readonly number[]): Promise<string> {
    return decode(this.#reader.tokenizer, tokens);
  }

  async adapters(): Promise<readonly ServedAdapter[]> {
    return this.#adapters ? this.#adapters.list() : [];
  }

  async loadAdapter(name: string, path: string, options: LoadOptions = {}): Promise<ServedAdapter> {
    this.#checkOpen();
    if (!this.#adapters) throw noStore();
    return this.#adapters.load(name, path, options);
  }

  async unloadAdapter(name: string, options: UnloadOptions = {}): Promise<void> {
    this.#checkOpen();
    if (!this.#adapters) throw noStore();
    await this.#adapters.unload(name, options);
  }

  async stats(): Promise<ServingStats> {
    const { running, passes, promptTokens, batchRows } = this.#counts;
    return {
      ...{ waiting: this.#pending - running, running, batchRows, decodeRows: 0, passes, promptTokens, paused: 0 },
      ...{ cachedTokens: 0, newTokens: 0, preemptions: 0, pages: { total: 0, used: 0, cached: 0 } },
      ...{ adapters: this.#adapters?.stats() ?? noAdapters, requests: [] },
    };
  }

  async drain(): Promise<void> {
    this.#draining = true;
    await Promise.allSettled(this.#calls);
  }

  /** Rejects waiting texts, and resolves when the running pass has ended. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const { reject } of this.#queue.clear()) reject(new ServingError("unavailable", "the engine is closed"));
    await Promise.allSettled(this.#calls);
    await this.#adapters?.close();
    await this.#host?.clear();
  }
}

/** Scales a vector to length 1, as torch's `normalize` does. A zero vector stays zero. */
function atUnitLength(vector: Float32Array): Float32Array {
  const length = Math.sqrt(vector.reduce((sum, x) => sum + x * x, 0));
  return vector.map((x) => x / Math.max(length, 1e-12));
}

/**
 * Creates an engine that computes embeddings with an encoder. Texts of all requests share passes. Throws if the backend
 * is not batch-invariant, or if the model folder's sentence-transformers files name a pooling other than the mean.
 */
export async function createEmbeddingEngine(options: EmbeddingEngineOptions): Promise<ServingEngine> {
  checkOptions("createEmbeddingEngine", options, {
    ...({ model: true, tokenizer: true, servedModelName: true, files: true, adapters: true } as const),
    ...({ maxNumSeqs: true, maxNumBatchedTokens: true, maxModelLen: true, maxQueue: true } as const),
  });
  checkBackend("createEmbeddingEngine", options.model.backend);
  return new EmbeddingEngine(options, await embeddingSettings(options));
}
