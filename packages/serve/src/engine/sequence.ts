/** Tokens of a request, and the pages that hold its computed keys and values. */
export interface Sequence {
  readonly tenant: string;
  readonly adapter: string | null;
  /** Priority among the tenant's waiting requests: the lowest value goes first. Default 0. */
  readonly priority?: number;
  /** Version of the adapter; null for the base model. Fixed once the sequence runs. */
  readonly version: string | null;
  /** True while its reader is slow: it is in no pass, and its pages may be reclaimed. */
  readonly isPaused: boolean;
  /** Increasing number of the request: lower values arrived first. */
  readonly arrival: number;
  /** Prompt and new tokens. */
  readonly tokens: number[];
  readonly promptLength: number;
  /** True if every prompt token must run, so that shared pages cannot be used. */
  readonly wantsPromptLogits: boolean;
  /** Number of tokens whose keys and values are in pages. */
  computed: number;
  /** Pages of the sequence, in order. */
  readonly table: number[];
  /** Number of prompt tokens taken from shared pages when it began. */
  cachedTokens: number;
  /** Number of times that it was preempted. */
  preemptions: number;
  /** Number of tokens charged to its tenant. */
  charged: number;
}

/** Next rows of a sequence: its tokens `start` to `end`. */
export interface Chunk<S extends Sequence> {
  readonly sequence: S;
  readonly start: number;
  readonly end: number;
}
