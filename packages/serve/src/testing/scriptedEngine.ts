import {
  type EmbedOptions,
  type LoadOptions,
  type ServedAdapter,
  type ServingEngine,
  ServingError,
  type ServingEvent,
  type ServingModel,
  type ServingPrompt,
  type ServingRequest,
  type ServingStats,
  type TokenLogprob,
} from "../api/api.ts";

/** Options of the scripted engine. */
interface ScriptOptions {
  /** Pieces of every answer. */
  words?: readonly string[];
  /** Milliseconds before each word. */
  delay?: number;
  task?: "generate" | "embed";
  hasChatTemplate?: boolean;
  adapters?: readonly string[];
  /** Thrown before a request starts. */
  failure?: Error;
  /** Thrown after this many words. */
  failsAfter?: { words: number; error: Error };
}

/** Engine with scripted answers, for tests of the code around engines. */
export class ScriptedEngine implements ServingEngine {
  /** Requests so far. */
  readonly requests: ServingRequest[] = [];
  /** Ids of requests that hold a place. */
  readonly running: Set<string> = new Set();
  readonly loads: unknown[] = [];
  readonly #options: ScriptOptions;
  readonly #adapters: Map<string, ServedAdapter>;
  #draining = false;

  constructor(options: ScriptOptions = {}) {
    this.#options = options;
    this.#adapters = new Map((options.adapters ?? []).map((name) => [name, served(name, `adapters/${name}`)]));
  }

  async model(): Promise<ServingModel> {
    return {
      name: "test-base",
      vocabSize: 100,
      maxPositions: 2048,
      modelPositions: 2048,
      created: 1_700_000_000,
      task: this.#options.task ?? "generate",
      hasChatTemplate: this.#options.hasChatTemplate ?? true,
    };
  }

  async *generate(request: ServingRequest, signal?: AbortSignal): AsyncGenerator<ServingEvent, void, undefined> {
    const { words = ["Hello", " there", "!"], delay = 0, failure, failsAfter } = this.#options;
    this.requests.push(request);
    if (this.#draining) throw new ServingError("draining", "the engine drains");
    if (failure) throw failure;
    const adapter = this.#adapterOf(request.adapter);
    this.running.add(request.id);
    try {
      const prompt = textOf(request.prompt);
      const promptTokens = prompt.length;
      const promptTokenIds = request.returnPromptTokens ? { promptTokenIds: prompt.map((_, i) => i) } : {};
      yield {
        ...{ type: "started", promptTokens, cachedTokens: 1, version: adapter?.version ?? null, queueSeconds: 0.3 },
        ...promptTokenIds,
      };
      if (request.echo || request.promptLogprobs !== undefined) {
        for (const [i, text] of prompt.entries()) {
          yield { type: "token", token: i, text, prompt: true, logprob: promptLogprobOf(request, text, i === 0) };
        }
      }
      const most = Math.min(request.maxNewTokens ?? words.length, words.length);
      for (let i = 0; i < most; i++) {
        if (delay > 0) await wait(delay, signal);
        signal?.throwIfAborted();
        if (failsAfter?.words === i) throw failsAfter.error;
        yield { type: "token", token: i, text: words[i], prompt: false, logprob: logprobOf(request, words[i], false) };
      }
      const reason = most < words.length ? "length" : "stop";
      const stopReason = reason === "stop" ? (request.stop?.[0] as string | undefined) : undefined;
      yield { type: "finished", reason, promptTokens, newTokens: most, cachedTokens: 1, stopReason };
    } finally {
      this.running.delete(request.id);
    }
  }

  async tokenize(prompt: ServingPrompt): Promise<number[]> {
    return textOf(prompt).map((word) => word.length);
  }

  async detokenize(tokens: readonly number[]): Promise<string> {
    return tokens.map((token) => "x".repeat(token)).join(" ");
  }

  async embed(
    inputs: readonly (string | readonly number[])[],
    { adapter = null }: EmbedOptions = {},
  ): Promise<{ embeddings: Float32Array[]; tokens: number }> {
    this.#adapterOf(adapter);
    return { embeddings: inputs.map((input) => Float32Array.of(input.length, 0.5, -1)), tokens: inputs.length * 2 };
  }

  #adapterOf(name: string | null): ServedAdapter | null {
    const adapter = name === null ? null : this.#adapters.get(name);
    if (adapter === undefined) throw new ServingError("not_found", `there is no adapter ${name}`, "model");
    return adapter;
  }

  async adapters(): Promise<readonly ServedAdapter[]> {
    return [...this.#adapters.values()];
  }

  async loadAdapter(name: string, path: string, options: LoadOptions = {}): Promise<ServedAdapter> {
    this.loads.push([name, path, options]);
    if (path === "nowhere") throw new ServingError("not_found", `No adapter found for ${path}`);
    if (path === "bad") throw new ServingError("adapter_refused", "lora_A.weight has NaN");
    if (this.#adapters.has(name) && !options.replace) throw new ServingError("already_loaded", "already there");
    const adapter = served(name, path);
    this.#adapters.set(name, adapter);
    return adapter;
  }

  async unloadAdapter(name: string): Promise<void> {
    if (!this.#adapters.delete(name)) throw new ServingError("not_found", `there is no adapter ${name}`);
  }

  async stats(): Promise<ServingStats> {
    const requests = [...this.running].map((id) => {
      const request = this.requests.find((found) => found.id === id) as ServingRequest;
      return {
        id,
        tenant: request.tenant,
        adapter: request.adapter,
        state: "decode" as const,
        promptTokens: 3,
        newTokens: 1,
      };
    });
    return {
      waiting: 0,
      running: requests.length,
      paused: 0,
      batchRows: requests.length,
      decodeRows: requests.length,
      passes: 7,
      promptTokens: 11,
      cachedTokens: 1,
      newTokens: 5,
      preemptions: 0,
      pages: { total: 64, used: 2, cached: 1 },
      adapters: {
        registered: this.#adapters.size,
        resident: 1,
        bytes: 4096,
        hits: 3,
        loads: 2,
        evictions: 1,
        failures: 4,
      },
      requests,
    };
  }

  async drain(): Promise<void> {
    this.#draining = true;
    while (this.running.size > 0) await wait(5);
  }

  async close(): Promise<void> {}
}

function served(name: string, source: string): ServedAdapter {
  const version = `${name}-version`;
  return { name, version, source, method: "LORA", resident: true, bytes: 4096, pinned: false, inUse: 0 };
}

/** Returns the pieces of a prompt, one for each of its tokens. */
function textOf(prompt: ServingPrompt): string[] {
  if ("tokens" in prompt) return prompt.tokens.map((token) => `<${token}>`);
  const text = "text" in prompt ? prompt.text : prompt.messages.map(({ content }) => content).join(" ");
  return text.split(/(?= )/);
}

function promptLogprobOf(request: ServingRequest, text: string, isFirst: boolean) {
  const { promptLogprobs } = request;
  if (promptLogprobs === undefined) return logprobOf(request, text, isFirst);
  const logprobs = Math.max(promptLogprobs, request.logprobs ?? 0);
  const found = logprobOf({ ...request, logprobs }, text, isFirst);
  return found && { ...found, rank: 7, top: found.top.map((entry, i) => ({ ...entry, token: 10 + i, rank: i + 1 })) };
}

function logprobOf({ logprobs }: ServingRequest, text: string, isFirst: boolean) {
  if (logprobs === undefined) return undefined;
  const entry = (text: string, logprob: number | null): TokenLogprob => {
    return { token: 1, text, bytes: [...new TextEncoder().encode(text)], logprob };
  };
  const others = ["a", "b", "c"].slice(0, logprobs).map((other, i) => entry(other, -1 - i));
  return { ...entry(text, isFirst ? null : -0.25), top: isFirst ? [] : others };
}

function wait(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}
