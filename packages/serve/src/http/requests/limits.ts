/** The most that a server takes on. */
export interface ServingLimits {
  /** Bytes of a request's body, counted while it is read. */
  readonly bodyBytes: number;
  /** Seconds in which a body must have come. */
  readonly bodySeconds: number;
  /** Tokens of a prompt. Default: the model's positions. */
  readonly promptTokens?: number;
  /** Sequences of one request: its prompts times `n`. */
  readonly sequences: number;
  /** Sequences that wait or run, of all requests. A request for more gets a 429. */
  readonly pending: number;
  /** Seconds in which a client takes a piece of a stream; else its connection is closed. */
  readonly sendSeconds: number;
  /** Seconds from a request's body to its last token. */
  readonly requestSeconds: number;
}

/** Milliseconds for a timer. Longer than some weeks, it would go off at once. */
export function timerMs(seconds: number): number {
  return Math.min(seconds * 1000, 2 ** 31 - 1);
}

/** The limits of a server that names none. */
export const defaultLimits: ServingLimits = {
  bodyBytes: 1 << 20,
  bodySeconds: 10,
  sequences: 16,
  pending: 256,
  sendSeconds: 60,
  requestSeconds: 600,
};
