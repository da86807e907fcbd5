import type { Caller } from "./caller.ts";

/** A chat for the model's template. */
export interface ChatPrompt {
  readonly messages: readonly { readonly role: string; readonly content: string; readonly name?: string }[];
  /** Ends the prompt with the opening of an assistant turn. Default: not `continueFinalMessage`. */
  readonly addGenerationPrompt?: boolean;
  /**
   * Ends the prompt after the last message's text, which the model then continues. Default false.
   */
  readonly continueFinalMessage?: boolean;
  /** Adds the tokenizer's special tokens around the template's text. Default false. */
  readonly addSpecialTokens?: boolean;
  /** Further variables of the template. */
  readonly templateVariables?: Readonly<Record<string, unknown>>;
}

/** A prompt: token ids, a text, or a chat. `addSpecialTokens` of a text is true by default. */
export type ServingPrompt =
  | { readonly tokens: readonly number[] }
  | { readonly text: string; readonly addSpecialTokens?: boolean }
  | ChatPrompt;

/** The way the next tokens are chosen; a temperature of 0 takes the likeliest. */
export interface SamplingSettings {
  readonly temperature: number;
  /** 1 keeps all tokens. */
  readonly topP?: number;
  /** 0 keeps all tokens. */
  readonly topK?: number;
  readonly minP?: number;
  /** The request's random numbers: the same seed gives the same tokens. Default: drawn. */
  readonly seed?: number;
  readonly repetitionPenalty?: number;
  readonly frequencyPenalty?: number;
  readonly presencePenalty?: number;
  /** Is added to the logit of each token named. */
  readonly logitBias?: Readonly<Record<number, number>>;
  /**
   * Texts that may not come in the new text: the token that would complete one is forbidden. Each
   * is also forbidden after a space if it then has as many tokens, as in vLLM.
   */
  readonly badWords?: readonly string[];
  /** The only tokens that may come. Default: all. */
  readonly allowedTokenIds?: readonly number[];
}

/** One sequence to be generated. */
export interface ServingRequest {
  /** Names the request in logs and events. */
  readonly id: string;
  readonly prompt: ServingPrompt;
  /**
   * The adapter's name, resolved to a version when the request is admitted; null: the base model.
   */
  readonly adapter: string | null;
  /** Whose request it is: prefixes are shared within a tenant alone. */
  readonly tenant: string;
  /** May use the adapters of every tenant. Default: false. */
  readonly operator?: boolean;
  /** Bytes of the adapters that the tenant's requests may use at once. Default: all memory. */
  readonly adapterMemory?: number;
  /** The most new tokens. Default: up to the model's last position. */
  readonly maxNewTokens?: number;
  readonly sampling: SamplingSettings;
  /** Texts or token ids at which the sequence ends; they are not in the text. */
  readonly stop?: readonly (string | readonly number[])[];
  /** Tokens at which the sequence ends, besides the model's end-of-sequence tokens. */
  readonly stopTokenIds?: readonly number[];
  /** The text ends with the stop text, or the stop token's text. Default false. */
  readonly includeStop?: boolean;
  /** Leaves special tokens out of the text. Default true. */
  readonly skipSpecialTokens?: boolean;
  /** Goes on past the model's end-of-sequence tokens. */
  readonly ignoreEos?: boolean;
  /** The sequence does not end at a stop before it has this many new tokens. Default 0. */
  readonly minTokens?: number;
  /** Gives with each token its log-probability and those of so many of the likeliest. */
  readonly logprobs?: number;
  /** Gives the prompt's tokens too, with log-probabilities where `logprobs` is set. */
  readonly echo?: boolean;
  /**
   * Gives the prompt's tokens with log-probabilities and ranks, and so many of the likeliest at
   * each place; -1: all tokens.
   */
  readonly promptLogprobs?: number;
  /** Gives the prompt's token ids in the first event. Default false. */
  readonly returnPromptTokens?: boolean;
  /**
   * Keeps so many tokens of the prompt; -1: as many as leave room for `maxNewTokens`. Default: all.
   */
  readonly truncatePromptTokens?: number;
  /** The end of the prompt from which tokens are cut. Default "left": the last tokens are kept. */
  readonly truncationSide?: "left" | "right";
  /** Among waiting requests of its tenant, the lowest goes first. Default 0. */
  readonly priority?: number;
}

/** A token's log-probability in nats, before temperature and truncation. */
export interface TokenLogprob {
  readonly token: number;
  readonly text: string;
  /** The bytes of the token's text, which alone may be no whole character. */
  readonly bytes: readonly number[];
  /** Null for a prompt's first token. */
  readonly logprob: number | null;
  /** 1 for the likeliest token of its place. Given where `promptLogprobs` is set. */
  readonly rank?: number;
}

/** A step in a request's life, in order: started, tokens, finished. A failure rejects instead. */
export type ServingEvent =
  | {
      readonly type: "started";
      readonly promptTokens: number;
      readonly cachedTokens: number;
      readonly version: string | null;
      /** The prompt's token ids, if `returnPromptTokens` is set. */
      readonly promptTokenIds?: readonly number[];
      /** Seconds from the request's arrival to its first pass. */
      readonly queueSeconds?: number;
    }
  | {
      readonly type: "token";
      readonly token: number;
      /** The text that the token completes; may be empty. */
      readonly text: string;
      /** True for a token of the prompt. */
      readonly prompt: boolean;
      readonly logprob?: TokenLogprob & { readonly top: readonly TokenLogprob[] };
    }
  | {
      readonly type: "finished";
      readonly reason: "stop" | "length";
      /**
       * The stop text or stop token that ended it; null for the model's own end-of-sequence tokens.
       */
      readonly stopReason?: string | number | null;
      readonly promptTokens: number;
      readonly newTokens: number;
      readonly cachedTokens: number;
    };

/** The kind of a failure that a caller can act on. */
export type ServingErrorCode =
  | "invalid_request"
  | "context_length_exceeded"
  | "not_found"
  | "already_loaded"
  | "forbidden"
  | "queue_full"
  | "draining"
  | "adapter_refused"
  | "unavailable"
  | "insufficient_storage"
  | "timeout";

/** A failure of a request. `retryAfter` is in seconds, where trying again helps. */
export class ServingError extends Error {
  readonly code: ServingErrorCode;
  readonly param: string | null;
  readonly retryAfter: number | null;

  constructor(code: ServingErrorCode, message: string, param: string | null = null, retryAfter: number | null = null) {
    super(message);
    this.name = "ServingError";
    this.code = code;
    this.param = param;
    this.retryAfter = retryAfter;
  }
}

/** An adapter that requests can name. */
export interface ServedAdapter {
  readonly name: string;
  /** The hash of its files: a swap gives another. Null before its first use. */
  readonly version: string | null;
  /** The folder or key of the store that it came from. */
  readonly source: string;
  /** Its `peft_type`; null before its first use. */
  readonly method: string | null;
  /** True while its tensors are in memory. */
  readonly resident: boolean;
  readonly bytes: number;
  readonly pinned: boolean;
  /** Running requests that use it. */
  readonly inUse: number;
  /** The tenant that it belongs to. Default: none. */
  readonly owner?: string;
  /** The tenants that may use it. Default: all. */
  readonly tenants?: readonly string[];
}

/** The model that is served. */
export interface ServingModel {
  readonly name: string;
  readonly vocabSize: number;
  /** Tokens of a sequence that the engine takes. */
  readonly maxPositions: number;
  /** Tokens of a sequence that the model takes. A small cache lowers `maxPositions`. */
  readonly modelPositions: number;
  readonly created: number;
  /** The kind of answers: text, or embeddings. */
  readonly task: "generate" | "embed";
  readonly hasChatTemplate: boolean;
}

/** Numbers for `/metrics` and the live view; counts grow from 0, times are in seconds. */
export interface ServingStats {
  readonly waiting: number;
  readonly running: number;
  /** Sequences whose readers are behind: they run in no pass, and their pages may be taken. */
  readonly paused: number;
  /** Rows of the last pass, and of them rows that decode. */
  readonly batchRows: number;
  readonly decodeRows: number;
  readonly passes: number;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly newTokens: number;
  readonly preemptions: number;
  readonly pages: { readonly total: number; readonly used: number; readonly cached: number };
  readonly adapters: {
    readonly registered: number;
    readonly resident: number;
    readonly bytes: number;
    readonly hits: number;
    readonly loads: number;
    readonly evictions: number;
    /** Loads that failed. */
    readonly failures: number;
    /** Bytes of the adapters that running requests use, by tenant. */
    readonly byTenant?: Readonly<Record<string, number>>;
    /** The seconds of loads: counts by the bounds of the metric, and their sum. */
    readonly loadTimes?: { readonly buckets: number[]; readonly sum: number };
  };
  /** The state of each request, for the page that watches the batch. */
  readonly requests: readonly {
    readonly id: string;
    readonly tenant: string;
    readonly adapter: string | null;
    readonly state: "waiting" | "prefill" | "decode" | "paused";
    readonly promptTokens: number;
    readonly newTokens: number;
  }[];
}

/** Options of `embed`. */
export interface EmbedOptions {
  /**
   * Keeps so many of an input's first tokens; -1: as many as the model takes. Default: an input
   * that is too long is refused.
   */
  readonly truncatePromptTokens?: number;
  /** The adapter's name; null: none. Default null. */
  readonly adapter?: string | null;
  /** Whose request it is. Default: nobody's. */
  readonly tenant?: string;
  /** May use the adapters of every tenant. Default: false. */
  readonly operator?: boolean;
  /** Bytes of the adapters that the tenant's requests may use at once. Default: all memory. */
  readonly adapterMemory?: number;
}

/** Options of `loadAdapter`. */
export interface LoadOptions {
  /** Replaces the adapter of this name. Default: false. */
  readonly replace?: boolean;
  /** Keeps its tensors in memory. Default: false. */
  readonly pin?: boolean;
  /** Who loads it. The adapter gets no more rights than that caller has. Default: an operator. */
  readonly by?: Caller;
}

/** Options of `unloadAdapter`. */
export interface UnloadOptions {
  /** Who unloads it. Default: an operator. */
  readonly by?: Caller;
}

/** An engine that serves requests, here or in a Worker. */
export interface ServingEngine {
  model(): Promise<ServingModel>;
  /**
   * Runs a request. Leaving the loop, or `signal`, ends it and frees its place. Throws
   * ServingError.
   */
  generate(request: ServingRequest, signal?: AbortSignal): AsyncIterable<ServingEvent>;
  tokenize(prompt: ServingPrompt): Promise<number[]>;
  detokenize(tokens: readonly number[]): Promise<string>;
  /** Embeddings of texts or token ids, of an encoder. */
  embed(
    inputs: readonly (string | readonly number[])[],
    options?: EmbedOptions,
  ): Promise<{ embeddings: Float32Array[]; tokens: number }>;
  adapters(): Promise<readonly ServedAdapter[]>;
  /**
   * Registers a folder or key of the store under a name, once its files have been read and found
   * good.
   */
  loadAdapter(name: string, path: string, options?: LoadOptions): Promise<ServedAdapter>;
  unloadAdapter(name: string, options?: UnloadOptions): Promise<void>;
  stats(): Promise<ServingStats>;
  /** Refuses new requests and resolves when the running ones have ended. */
  drain(): Promise<void>;
  close(): Promise<void>;
}
