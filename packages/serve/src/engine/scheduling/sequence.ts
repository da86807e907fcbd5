/** Tokens of a request, and the pages that hold its computed keys and values. */
export interface Sequence {
  readonly tenant: string;
  readonly adapter: string | null;
  /** Priority among the tenant's waiting requests: the lowest value goes first. Default 0. */
  readonly priority?: number;
  /** Version of the adapter; null for the base model. Fixed once the sequence runs. */
  readonly version: string | null;
  /** Task of the sequence, on which its keys and values depend; undefined if it has none. */
  readonly taskId?: number;
  /** Index of the first token on which an aLoRA adapter acts. 0 for other adapters, which act on all tokens. */
  readonly actsFrom: number;
  /** Number of tokens at the start whose keys and values are the base model's. 0 unless the adapter is an aLoRA. */
  readonly plainUntil: number;
  /**
   * True while the sequence's reader is slow. The sequence is then in no pass, and its pages may be freed for others.
   */
  readonly isPaused: boolean;
  /** Number of the request in order of arrival: earlier requests have lower numbers. */
  readonly arrival: number;
  /** Prompt and new tokens. */
  readonly tokens: number[];
  readonly promptLength: number;
  /**
   * True if log-probabilities of the prompt are requested, so that each prompt token must be computed and no cached
   * page can be used.
   */
  readonly wantsPromptLogits: boolean;
  /** Number of tokens whose keys and values are in the sequence's pages. */
  computed: number;
  /** Pages of the sequence, in order. */
  readonly table: number[];
  /** Number of prompt tokens whose keys and values were taken from cached pages. */
  cachedTokens: number;
  /** Number of times that the sequence was preempted. */
  preemptions: number;
  /** Number of tokens of this sequence that the fair queue has charged to its tenant. */
  charged: number;
}

/** Tokens of a sequence that the next pass computes: from index `start` up to, but not including, `end`. */
export interface Chunk<S extends Sequence> {
  readonly sequence: S;
  readonly start: number;
  readonly end: number;
}
