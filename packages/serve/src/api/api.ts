import type { Caller } from "./caller.ts";

/** Chat messages from which the model's chat template makes a prompt. */
export interface ChatPrompt {
  readonly messages: readonly { readonly role: string; readonly content: string; readonly name?: string }[];
  /**
   * Ends the prompt with the beginning of an assistant message, which the model then writes. Default: the opposite of
   * `continueFinalMessage`.
   */
  readonly addGenerationPrompt?: boolean;
  /**
   * Ends the prompt after the last message's text, which the model then continues. Default false.
   */
  readonly continueFinalMessage?: boolean;
  /** Adds the tokenizer's special tokens around the template's text. Default false. */
  readonly addSpecialTokens?: boolean;
  /** Further variables for the chat template. */
  readonly templateVariables?: Readonly<Record<string, unknown>>;
}

/** A prompt: token ids, a text, or a chat. `addSpecialTokens` of a text is true by default. */
export type ServingPrompt =
  | { readonly tokens: readonly number[] }
  | { readonly text: string; readonly addSpecialTokens?: boolean }
  | ChatPrompt;

/** Settings for choosing the next token. Temperature 0 takes the most probable token. */
export interface SamplingSettings {
  readonly temperature: number;
  /** Keeps only the most probable tokens that together reach this probability. Default 1: all tokens. */
  readonly topP?: number;
  /** Keeps only this many of the most probable tokens. Default 0: all tokens. */
  readonly topK?: number;
  readonly minP?: number;
  /** Seed of the random values: the same seed gives the same tokens. Default: random. */
  readonly seed?: number;
  readonly repetitionPenalty?: number;
  readonly frequencyPenalty?: number;
  readonly presencePenalty?: number;
  /** Value to add to the logit of each token id. */
  readonly logitBias?: Readonly<Record<number, number>>;
  /**
   * Texts that must not occur in the generated text. The token that would complete such a text is forbidden. As in
   * vLLM, the text with a space before it is also forbidden if the space does not change its number of tokens.
   */
  readonly badWords?: readonly string[];
  /** Ids of the only tokens that may be generated. Default: all. */
  readonly allowedTokenIds?: readonly number[];
}

/** Request to generate one sequence. */
export interface ServingRequest {
  /** Id of the request in logs and events. */
  readonly id: string;
  readonly prompt: ServingPrompt;
  /** Name of the adapter, resolved to a version when the request is admitted; null for the base model. */
  readonly adapter: string | null;
  /** Tenant of the request. Cached prefixes are shared only between requests of the same tenant. */
  readonly tenant: string;
  /** True if the request may use the adapters of every tenant. Default false. */
  readonly operator?: boolean;
  /** Maximum number of bytes of adapters that the tenant's running requests use together. Default: no limit. */
  readonly adapterMemory?: number;
  /** Maximum number of new tokens. Default: as many as the model's maximum length allows. */
  readonly maxNewTokens?: number;
  readonly sampling: SamplingSettings;
  /** Texts or token sequences that end the output. They are not included in it. */
  readonly stop?: readonly (string | readonly number[])[];
  /** Token ids that end the sequence, in addition to the model's end-of-sequence tokens. */
  readonly stopTokenIds?: readonly number[];
  /** Includes the stop text, or the text of the stop token, at the end of the output. Default false. */
  readonly includeStop?: boolean;
  /** Omits special tokens from the text. Default true. */
  readonly skipSpecialTokens?: boolean;
  /** Continues after the model's end-of-sequence tokens. Default false. */
  readonly ignoreEos?: boolean;
  /**
   * Minimum number of new tokens. Until the sequence has this many, stop texts and stop tokens do not end it. Default
   * 0.
   */
  readonly minTokens?: number;
  /**
   * Number of most probable tokens to return for each new token, with their log-probabilities. The log-probability of
   * the new token itself is always included. Default: no log-probabilities.
   */
  readonly logprobs?: number;
  /** If true, also returns the prompt's tokens, with log-probabilities if `logprobs` is set. Default false. */
  readonly echo?: boolean;
  /**
   * Number of most probable tokens to return for each position of the prompt, with log-probabilities and ranks; -1: all
   * tokens. The prompt's own tokens are always included. Default: none are returned.
   */
  readonly promptLogprobs?: number;
  /** Returns the prompt's token ids in the first event. Default false. */
  readonly returnPromptTokens?: boolean;
  /** Keeps this many tokens of the prompt; -1: as many as leave space for `maxNewTokens`. Default: all. */
  readonly truncatePromptTokens?: number;
  /** Side of the prompt on which tokens are cut. Default "left": the last tokens are kept. */
  readonly truncationSide?: "left" | "right";
  /** Priority among the tenant's waiting requests: the lowest value goes first. Default 0. */
  readonly priority?: number;
  /**
   * Task of the sequence, from 0. Required for an adapter of several tasks (Poly); adapters without tasks ignore it.
   * Default: none.
   */
  readonly taskId?: number;
}

/** Log-probability of a token in nats, from the model's logits before temperature, top-k and top-p. */
export interface TokenLogprob {
  readonly token: number;
  readonly text: string;
  /** Bytes of the token's text, which can be an incomplete character. */
  readonly bytes: readonly number[];
  /** Log-probability in nats; null for a prompt's first token. */
  readonly logprob: number | null;
  /**
   * Rank of the token among all tokens at its position; 1 for the most probable. Set only if the request sets
   * `promptLogprobs`.
   */
  readonly rank?: number;
}

/**
 * Event of a request. A request yields one "started" event, then "token" events, then one "finished" event. If it
 * fails, the iteration throws instead.
 */
export type ServingEvent =
  | {
      readonly type: "started";
      readonly promptTokens: number;
      readonly cachedTokens: number;
      readonly version: string | null;
      /** Token ids of the prompt, if `returnPromptTokens` is set. */
      readonly promptTokenIds?: readonly number[];
      /** Seconds from the request's arrival to its first forward pass. */
      readonly queueSeconds?: number;
    }
  | {
      readonly type: "token";
      readonly token: number;
      /** Text that the token completes; may be empty. */
      readonly text: string;
      /** True for a token of the prompt. */
      readonly prompt: boolean;
      readonly logprob?: TokenLogprob & { readonly top: readonly TokenLogprob[] };
    }
  | {
      readonly type: "finished";
      readonly reason: "stop" | "length";
      /**
       * Stop text or stop token that ended the sequence; null if it ended for another reason, such as an
       * end-of-sequence token.
       */
      readonly stopReason?: string | number | null;
      readonly promptTokens: number;
      readonly newTokens: number;
      readonly cachedTokens: number;
    };

/** Code of a failed request, for callers that handle failures by their kind. */
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

/** Failure of a request. `retryAfter` is in seconds, or null if trying again does not help. */
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

/** Adapter that requests can name. */
export interface ServedAdapter {
  readonly name: string;
  /** Hash of the adapter's files, which changes with them. Null before the first use. */
  readonly version: string | null;
  /** Folder or storage key from which the adapter was loaded. */
  readonly source: string;
  /** PEFT's `peft_type`; null before the first use. */
  readonly method: string | null;
  /** True while the adapter's tensors are in memory. */
  readonly resident: boolean;
  readonly bytes: number;
  readonly pinned: boolean;
  /** Number of running requests that use the adapter. */
  readonly inUse: number;
  /** Tenant that owns the adapter. Default: none. */
  readonly owner?: string;
  /** Tenants that may use the adapter. Default: all. */
  readonly tenants?: readonly string[];
}

/** Model that an engine serves. */
export interface ServingModel {
  readonly name: string;
  readonly vocabSize: number;
  /** Maximum number of tokens of a sequence in this engine. */
  readonly maxPositions: number;
  /** Maximum number of tokens of a sequence that the model supports. If the cache is small, `maxPositions` is lower. */
  readonly modelPositions: number;
  readonly created: number;
  /** Kind of output: text, or embeddings. */
  readonly task: "generate" | "embed";
  readonly hasChatTemplate: boolean;
}

/** Statistics for `/metrics` and the live view. Counts start from 0; times are in seconds. */
export interface ServingStats {
  readonly waiting: number;
  readonly running: number;
  /**
   * Number of sequences that are paused because their clients read too slowly. They take part in no pass, and their
   * cache pages may be freed for others.
   */
  readonly paused: number;
  /** Number of rows (one per token) in the last pass. */
  readonly batchRows: number;
  /** Number of rows in the last pass that belong to decoding sequences. */
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
    /** Number of adapter loads that failed. */
    readonly failures: number;
    /** Bytes of the adapters that running requests use, by tenant. */
    readonly byTenant?: Readonly<Record<string, number>>;
    /** Histogram of load times: the number of loads in each bucket, and the sum in seconds. */
    readonly loadTimes?: { readonly buckets: number[]; readonly sum: number };
  };
  /** State of each request, for the page that shows the batch. */
  readonly requests: readonly {
    readonly id: string;
    readonly tenant: string;
    readonly adapter: string | null;
    readonly state: "waiting" | "prefill" | "decode" | "paused";
    readonly promptTokens: number;
    readonly newTokens: number;
  }[];
}

/** Options for `embed`. */
export interface EmbedOptions {
  /**
   * Keeps this many of an input's first tokens; -1: as many as the model supports. Default: an input that is too long
   * is refused.
   */
  readonly truncatePromptTokens?: number;
  /** Name of the adapter; null for none. Default null. */
  readonly adapter?: string | null;
  /** Tenant of the request. Default "". */
  readonly tenant?: string;
  /** True if the request may use the adapters of every tenant. Default false. */
  readonly operator?: boolean;
  /** Maximum number of bytes of adapters that the tenant's running requests use together. Default: no limit. */
  readonly adapterMemory?: number;
}

/** Options for `loadAdapter`. */
export interface LoadOptions {
  /** Replaces the adapter with this name. Default false. */
  readonly replace?: boolean;
  /** Keeps the adapter in memory, even if no request uses it. Default false. */
  readonly pin?: boolean;
  /** Caller of the load. The adapter gets no more rights than the caller has. Default: an operator. */
  readonly by?: Caller;
}

/** Options for `unloadAdapter`. */
export interface UnloadOptions {
  /** Caller of the unload. Default: an operator. */
  readonly by?: Caller;
}

/** Engine that serves requests, in this thread or in a Worker. */
export interface ServingEngine {
  model(): Promise<ServingModel>;
  /**
   * Generates one sequence and yields its events. Leaving the loop, or aborting `signal`, ends the request. Throws
   * ServingError.
   */
  generate(request: ServingRequest, signal?: AbortSignal): AsyncIterable<ServingEvent>;
  tokenize(prompt: ServingPrompt): Promise<number[]>;
  detokenize(tokens: readonly number[]): Promise<string>;
  /** Returns embeddings of texts or token ids. Only engines of encoders support it. */
  embed(
    inputs: readonly (string | readonly number[])[],
    options?: EmbedOptions,
  ): Promise<{ embeddings: Float32Array[]; tokens: number }>;
  adapters(): Promise<readonly ServedAdapter[]>;
  /** Registers an adapter under a name, after reading and checking its files. `path` is its folder in the store. */
  loadAdapter(name: string, path: string, options?: LoadOptions): Promise<ServedAdapter>;
  unloadAdapter(name: string, options?: UnloadOptions): Promise<void>;
  stats(): Promise<ServingStats>;
  /** Refuses new requests, and resolves when the running ones have ended. */
  drain(): Promise<void>;
  close(): Promise<void>;
}
