import { yieldIfDue } from "@lowrank/core";
import { yieldToEventLoop } from "@lowrank/core/internal";
import type { CausalLM, Tokenizer } from "@lowrank/models";
import { defaultEos } from "@lowrank/models/internal";
import { PagedKVCache } from "@lowrank/nn";
import { PeftModel } from "@lowrank/peft";
import type { AdapterProvider } from "../api/adapterProvider.ts";
import {
  type LoadOptions,
  type ServedAdapter,
  type ServingEngine,
  ServingError,
  type ServingEvent,
  type ServingModel,
  type ServingPrompt,
  type ServingRequest,
  type ServingStats,
  type UnloadOptions,
} from "../api/api.ts";
import { PagePool } from "../cache/pagePool.ts";
import { asServingError, decode, noAdapters, noStore, unknownModel } from "./answers/answers.ts";
import { TokenTexts } from "./answers/answerText.ts";
import { type RequestContext, ServedRequest } from "./answers/servedRequest.ts";
import { checkBackend, type EngineOptions, type EngineSizes, engineSizes } from "./engineOptions.ts";
import { ModelAdapters } from "./modelAdapters.ts";
import { Mutex } from "./mutex.ts";
import { type ChunkResult, PassRunner } from "./passRunner.ts";
import { readPrompt, TextLength, truncated } from "./requests/readPrompt.ts";
import { readSettings } from "./requests/readSettings.ts";
import { Scheduler } from "./scheduling/scheduler.ts";
import type { Chunk } from "./scheduling/sequence.ts";

/** Counters for an engine's statistics. */
interface Counts {
  passes: number;
  batchRows: number;
  decodeRows: number;
  promptTokens: number;
  cachedTokens: number;
  newTokens: number;
}

/**
 * Engine that serves requests with one model. A pass computes tokens of many requests, each with its request's adapter.
 * Between passes, requests join and leave, and adapters are loaded.
 */
export class Engine implements ServingEngine {
  readonly #name: string;
  readonly #model: CausalLM;
  readonly #tokenizer: Tokenizer;
  readonly #sizes: EngineSizes;
  readonly #textLength: TextLength;
  readonly #pool: PagePool;
  readonly #cache: PagedKVCache;
  readonly #scheduler: Scheduler<ServedRequest>;
  readonly #runner: PassRunner;
  readonly #mutex = new Mutex();
  readonly #host: ModelAdapters | null;
  readonly #adapters: AdapterProvider | null;
  readonly #context: RequestContext;
  readonly #created = Math.floor(Date.now() / 1000);
  /** Waiting and running requests, in order of arrival. */
  readonly #requests = new Set<ServedRequest>();
  readonly #counts: Counts = {
    ...{ passes: 0, batchRows: 0, decodeRows: 0, promptTokens: 0, cachedTokens: 0, newTokens: 0 },
  };
  #arrivals = 0;
  #draining = false;
  #closed = false;
  #loop: Promise<void> | null = null;
  /** True if the loop must check for work again. */
  #due = false;
  #drained: (() => void)[] = [];

  constructor(options: EngineOptions) {
    const { model, tokenizer, servedModelName, adapters, enablePrefixCaching } = options;
    const peft = model instanceof PeftModel ? model : adapters ? new PeftModel(model) : null;
    const causal = model instanceof PeftModel ? model.baseModel : model;
    checkBackend("createEngine", causal.backend);
    this.#name = servedModelName;
    this.#model = causal;
    this.#tokenizer = tokenizer;
    this.#sizes = engineSizes(options, causal);
    this.#textLength = new TextLength(tokenizer, this.#sizes.maxModelLen);
    const { numBlocks: pages, blockSize: pageSize } = this.#sizes;
    const { layers, keyValueHeads, headDim, perLayer } = causal.attentionSizes;
    this.#pool = new PagePool({ pages, pageSize, enablePrefixCaching });
    const sizes = { layers, pages, pageSize, keyValueHeads, headDim, perLayer };
    this.#cache = new PagedKVCache({ ...sizes, backend: causal.backend });
    this.#scheduler = new Scheduler(this.#sizes, this.#pool);
    this.#host = peft && new ModelAdapters(peft, this.#pool, this.#mutex);
    this.#runner = new PassRunner(causal, this.#host, this.#cache);
    this.#adapters = adapters?.(this.#host!) ?? null;
    this.#context = {
      ...{ model: causal, tokenizer, texts: new TokenTexts(tokenizer) },
      eosTokenIds: defaultEos(causal.generationConfig, tokenizer),
    };
    causal.eval();
  }

  async model(): Promise<ServingModel> {
    return {
      name: this.#name,
      vocabSize: this.#model.vocabSize,
      maxPositions: this.#sizes.maxModelLen,
      modelPositions: this.#model.sharedPositions,
      created: this.#created,
      task: "generate",
      hasChatTemplate: this.#tokenizer.chatTemplate !== null,
    };
  }

  async *generate(request: ServingRequest, signal?: AbortSignal): AsyncGenerator<ServingEvent, void, void> {
    signal?.throwIfAborted();
    const served = await this.#submit(request);
    // Ends the request here, since its reader may never read again.
    const abort = () => {
      served.events.cancel(signal?.reason);
      this.#abandon(served);
    };
    signal?.addEventListener("abort", abort);
    try {
      if (signal?.aborted) abort();
      yield* served.events;
    } finally {
      signal?.removeEventListener("abort", abort);
      this.#abandon(served);
    }
  }

  #abandon(served: ServedRequest): void {
    served.abandoned = true;
    this.#run();
  }

  async #submit(request: ServingRequest): Promise<ServedRequest> {
    this.#checkOpen();
    if (request.adapter !== null && !this.#adapters) throw unknownModel(request.adapter);
    // A prompt that is truncated afterwards may be longer.
    if (request.truncatePromptTokens === undefined) this.#textLength.check(request.prompt);
    const prompt = truncated(await this.#readPrompt(request.prompt), request, this.#sizes.maxModelLen);
    const limits = { ...this.#sizes, vocabSize: this.#model.vocabSize };
    const settings = await readSettings(request, prompt, limits, this.#context);
    this.#checkOpen();
    const { maxQueue } = this.#sizes;
    if (this.#scheduler.waiting >= maxQueue) {
      throw new ServingError("queue_full", `${maxQueue} requests wait already; try again later`, null, 1);
    }
    const served = new ServedRequest(
      request,
      settings,
      { arrival: this.#arrivals++, onRoom: () => this.#run() },
      this.#context,
    );
    this.#requests.add(served);
    this.#scheduler.push(served);
    this.#run();
    return served;
  }

  #checkOpen(): void {
    if (this.#closed) throw new ServingError("unavailable", "the engine is closed");
    if (this.#draining) throw new ServingError("draining", "the server is shutting down; try another", null, 1);
  }

  #readPrompt(prompt: ServingPrompt): Promise<number[]> {
    return readPrompt(prompt, this.#tokenizer, this.#model.vocabSize);
  }

  /** Starts the loop of passes, or makes the running loop check for work again. */
  #run(): void {
    this.#due = true;
    this.#loop ??= this.#passes().finally(() => {
      this.#loop = null;
      if (this.#due) this.#run();
    });
  }

  async #passes(): Promise<void> {
    // Yields first, so that requests from the same turn of the event loop share the first pass.
    await Promise.resolve();
    while (this.#due) {
      this.#due = false;
      for (const request of this.#requests) if (request.abandoned) this.#remove(request);
      this.#makeReady();
      const chunks = this.#scheduler.plan();
      if (chunks.length === 0) continue;
      this.#due = true;
      await this.#mutex.runExclusive(() => this.#pass(chunks));
      // Reading adapter files needs turns of the event loop, and requests wait for them.
      await (this.#scheduler.loading > 0 ? yieldToEventLoop() : yieldIfDue());
    }
    if (this.#requests.size === 0) for (const resolve of this.#drained.splice(0)) resolve();
  }

  /** Acquires the adapters of the next requests. Loads run concurrently with passes. */
  #makeReady(): void {
    for (const request of this.#scheduler.take()) {
      if (request.adapter === null) this.#scheduler.ready(request);
      else void this.#acquire(request, request.adapter);
    }
  }

  async #acquire(request: ServedRequest, adapter: string): Promise<void> {
    try {
      const lease = await this.#adapters!.acquire(adapter, request);
      if (!this.#requests.has(request)) {
        lease.release();
        return;
      }
      request.lease = lease;
      this.#host?.checkTask(lease.version, adapter, request.taskId);
      Object.assign(request, this.#host?.reachOf(lease.version, request.tokens));
      this.#scheduler.ready(request);
    } catch (error) {
      this.#fail(request, asServingError(error));
    }
    this.#run();
  }

  async #pass(chunks: readonly Chunk<ServedRequest>[]): Promise<void> {
    let results: ChunkResult[];
    const now = performance.now();
    for (const { sequence } of chunks) if (Number.isNaN(sequence.admittedAt)) sequence.admittedAt = now;
    try {
      results = await this.#runner.run(chunks);
    } catch (error) {
      // Runs each of the pass's chunks alone, so that only the request at fault fails.
      if (chunks.length > 1) for (const chunk of chunks) await this.#pass([chunk]);
      else this.#fail(chunks[0].sequence, failure(chunks[0].sequence, error));
      return;
    }
    this.#count(chunks);
    this.#scheduler.commit(chunks);
    for (const result of results) this.#deliver(result);
  }

  #count(chunks: readonly Chunk<ServedRequest>[]): void {
    const counts = this.#counts;
    counts.passes += 1;
    counts.batchRows = 0;
    counts.decodeRows = 0;
    for (const { sequence, start, end } of chunks) {
      counts.batchRows += end - start;
      if (start >= sequence.promptLength) counts.decodeRows += end - start;
    }
  }

  #deliver({ chunk: { sequence: request }, token, logprobs, prompt }: ChunkResult): void {
    try {
      if (request.start()) {
        this.#counts.promptTokens += request.promptLength;
        this.#counts.cachedTokens += request.cachedTokens;
      }
      for (const { position, row } of prompt) request.acceptPrompt(position, row);
      if (token instanceof Error) throw token;
      if (token !== null) this.#counts.newTokens += 1;
      const ended = token === null ? request.computed === request.tokens.length : request.accept(token, logprobs);
      if (!ended) return;
      request.finish();
      this.#remove(request);
    } catch (error) {
      this.#fail(request, failure(request, error));
    }
  }

  #fail(request: ServedRequest, error: ServingError): void {
    request.events.end({ error });
    this.#remove(request);
  }

  #remove(request: ServedRequest): void {
    if (!this.#requests.delete(request)) return;
    this.#scheduler.remove(request);
    request.release();
  }

  async tokenize(prompt: ServingPrompt): Promise<number[]> {
    return this.#readPrompt(prompt);
  }

  async detokenize(tokens: readonly number[]): Promise<string> {
    return decode(this.#tokenizer, tokens);
  }

  async embed(): Promise<never> {
    throw new ServingError("invalid_request", `${this.#name} generates text; embeddings need an encoder`, "model");
  }

  async adapters(): Promise<readonly ServedAdapter[]> {
    return this.#adapters ? this.#adapters.list() : [];
  }

  async loadAdapter(name: string, path: string, options: LoadOptions = {}): Promise<ServedAdapter> {
    this.#checkOpen();
    return this.#source().load(name, path, options);
  }

  async unloadAdapter(name: string, options: UnloadOptions = {}): Promise<void> {
    this.#checkOpen();
    await this.#source().unload(name, options);
  }

  #source(): AdapterProvider {
    if (this.#adapters) return this.#adapters;
    throw noStore();
  }

  async stats(): Promise<ServingStats> {
    const { pages: total, available, cached } = this.#pool;
    const running = new Set(this.#scheduler.running);
    return {
      ...this.#counts,
      waiting: this.#scheduler.waiting,
      running: running.size,
      paused: this.#scheduler.paused,
      preemptions: this.#scheduler.preemptions,
      pages: { total, used: total - available, cached },
      adapters: this.#adapters?.stats() ?? noAdapters,
      requests: [...this.#requests].map((request) => ({
        ...{
          id: request.id,
          tenant: request.tenant,
          adapter: request.adapter,
          state: stateOf(request, running.has(request)),
        },
        ...{ promptTokens: request.promptLength, newTokens: request.newTokens },
      })),
    };
  }

  async drain(): Promise<void> {
    this.#draining = true;
    if (this.#requests.size === 0) return;
    await new Promise<void>((resolve) => {
      this.#drained.push(resolve);
    });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const request of this.#requests) {
      request.events.end({ error: new ServingError("unavailable", "the engine was closed") });
      request.abandoned = true;
    }
    this.#run();
    while (this.#loop) await this.#loop;
    await this.#adapters?.close();
    await this.#host?.clear();
    this.#cache.dispose();
  }
}

function stateOf(request: ServedRequest, running: boolean): ServingStats["requests"][number]["state"] {
  if (!running) return request.isPaused ? "paused" : "waiting";
  return request.computed < request.promptLength ? "prefill" : "decode";
}

/** Returns the error of a request that could not continue, with the name of its adapter. */
function failure({ adapter, version }: ServedRequest, error: unknown): ServingError {
  if (error instanceof ServingError) return error;
  const { message } = error as Error;
  if (adapter === null) return new ServingError("unavailable", `the model failed: ${message}`);
  return new ServingError("adapter_refused", `adapter "${adapter}" (version ${version}) failed: ${message}`, "model");
}
