import { AdapterStore } from "../../adapters/adapterStore.ts";
import type { AdapterHost } from "../../api/adapterProvider.ts";
import type {
  EmbedOptions,
  LoadOptions,
  ServedAdapter,
  ServingEngine,
  ServingEvent,
  ServingModel,
  ServingPrompt,
  ServingRequest,
  ServingStats,
  UnloadOptions,
} from "../../api/api.ts";
import { PagePool } from "../../cache/pagePool.ts";
import type { StoreClock } from "../../storage/storeClock.ts";
import { MemoryStore } from "./memoryStore.ts";

/** Prompt word that keeps a request running until it is aborted. */
export const endless = "endless";

/** Host that accepts every version and computes nothing. */
const host: AdapterHost = {
  load: async (_, files) => ({ bytes: files === undefined ? 0 : 256, method: "LORA", copied: false }),
  unload: async () => undefined,
};

/**
 * Engine with a real adapter store and a real page pool, all in memory. It computes no tokens; an answer names the
 * version that produced it.
 */
export class StoreEngine implements ServingEngine {
  readonly store: MemoryStore;
  readonly adapterStore: AdapterStore;
  readonly #pool = new PagePool({ pages: 256, pageSize: 2 });
  readonly #requests = new Map<ServingRequest, number>();
  readonly #task: ServingModel["task"];

  constructor(clock: StoreClock, { task = "generate" }: { task?: ServingModel["task"] } = {}) {
    this.store = new MemoryStore();
    this.#task = task;
    this.adapterStore = new AdapterStore(host, {
      ...{ place: this.store.place, clock, maxAdapterBytes: 1e6, pollMs: 0, onWarning: () => {} },
    });
  }

  async model(): Promise<ServingModel> {
    const hasChatTemplate = this.#task === "generate";
    return {
      name: "base",
      vocabSize: 1e6,
      maxPositions: 512,
      modelPositions: 512,
      created: 1,
      task: this.#task,
      hasChatTemplate,
    };
  }

  async *generate(request: ServingRequest, signal?: AbortSignal): AsyncGenerator<ServingEvent, void, undefined> {
    const lease = request.adapter === null ? null : await this.adapterStore.acquire(request.adapter, request);
    const tokens = await this.tokenize(request.prompt);
    this.#requests.set(request, tokens.length);
    const version = lease?.version ?? null;
    const owner = { tenant: request.tenant, version };
    const table: number[] = [];
    try {
      this.#pool.extend(table, owner, tokens, tokens.length - 1);
      const cachedTokens = table.length * 2;
      for (let page = table.length; page < Math.floor(tokens.length / 2); page++) {
        table.push(this.#pool.take()!);
        this.#pool.share(table, page, owner, tokens);
      }
      yield { type: "started", promptTokens: tokens.length, cachedTokens, version };
      yield { type: "token", token: 1, text: `by ${version?.slice(0, 8) ?? "base"}`, prompt: false };
      if (JSON.stringify(request.prompt).includes(endless)) await aborted(signal);
      yield { type: "finished", reason: "stop", promptTokens: tokens.length, newTokens: 1, cachedTokens };
    } finally {
      this.#pool.release(table);
      this.#requests.delete(request);
      lease?.release();
    }
  }

  async tokenize(prompt: ServingPrompt): Promise<number[]> {
    if ("tokens" in prompt) return [...prompt.tokens];
    const text = "text" in prompt ? prompt.text : prompt.messages.map(({ content }) => content).join(" ");
    return text.split(" ").map((word) => [...word].reduce((sum, letter) => sum * 7 + letter.charCodeAt(0), 1) % 1e6);
  }

  async detokenize(tokens: readonly number[]): Promise<string> {
    return tokens.join(" ");
  }

  async embed(
    inputs: readonly (string | readonly number[])[],
    { adapter = null, tenant = "", operator }: EmbedOptions = {},
  ): Promise<{ embeddings: Float32Array[]; tokens: number }> {
    const lease = adapter === null ? null : await this.adapterStore.acquire(adapter, { tenant, operator });
    lease?.release();
    const first = Number.parseInt(lease?.version.slice(0, 4) ?? "0", 16);
    return { embeddings: inputs.map(({ length }) => Float32Array.of(first, length)), tokens: inputs.length };
  }

  adapters(): Promise<readonly ServedAdapter[]> {
    return this.adapterStore.list();
  }

  loadAdapter(name: string, path: string, options?: LoadOptions): Promise<ServedAdapter> {
    return this.adapterStore.load(name, path, options);
  }

  unloadAdapter(name: string, options?: UnloadOptions): Promise<void> {
    return this.adapterStore.unload(name, options);
  }

  async stats(): Promise<ServingStats> {
    const { pages: total, available, cached } = this.#pool;
    const requests = [...this.#requests].map(([{ id, tenant, adapter }, promptTokens]) => {
      return { id, tenant, adapter, state: "decode" as const, promptTokens, newTokens: 1 };
    });
    return {
      ...{ waiting: 0, running: requests.length, paused: 0, batchRows: requests.length, decodeRows: 0, passes: 0 },
      ...{ promptTokens: 0, cachedTokens: 0, newTokens: 0, preemptions: 0 },
      pages: { total, used: total - available, cached },
      adapters: this.adapterStore.stats(),
      requests,
    };
  }

  async drain(): Promise<void> {}

  async close(): Promise<void> {
    await this.adapterStore.close();
  }
}

function aborted(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, reject) => {
    if (signal?.aborted) reject(signal.reason);
    signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}
