/** A request's tokens on their way through passes, and the pages that hold what was computed. */
export interface Sequence {
  readonly tenant: string;
  readonly adapter: string | null;
  /** Among waiting requests of its tenant, the lowest goes first. Default 0. */
  readonly priority?: number;
  /** The version of the adapter; null for the base model. Fixed once the sequence runs. */
  readonly version: string | null;
  /** True while its reader is behind: it runs in no pass, and its pages may be taken. */
  readonly isPaused: boolean;
  /** Grows from request to request: the lower came first. */
  readonly arrival: number;
  /** Prompt and new tokens. */
  readonly tokens: number[];
  readonly promptLength: number;
  /** True if every token of the prompt must run, and none may come from shared pages. */
  readonly wantsPromptLogits: boolean;
  /** Tokens whose keys and values lie in pages. */
  computed: number;
  /** Its pages, in order. */
  readonly table: number[];
  /** Tokens of the prompt that came from shared pages when it began. */
  cachedTokens: number;
  /** Times that it gave its pages back to be computed again. */
  preemptions: number;
  /** Tokens that its tenant has been charged for. */
  charged: number;
}

/** The next rows of a sequence: its tokens `start` to `end`. */
export interface Chunk<S extends Sequence> {
  readonly sequence: S;
  readonly start: number;
  readonly end: number;
}
