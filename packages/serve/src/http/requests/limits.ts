/** Limits of a server on HTTP requests. */
export interface ServingLimits {
  /** Maximum number of bytes of a request's body, counted while it is read. */
  readonly bodyBytes: number;
  /** Seconds within which a body must arrive. */
  readonly bodySeconds: number;
  /** Maximum number of tokens of a prompt. Default: the model's maximum. */
  readonly promptTokens?: number;
  /** Maximum number of sequences of one request: its prompts times `n`. */
  readonly sequences: number;
  /** Maximum number of sequences of all requests that wait or run. Further requests get status 429. */
  readonly pending: number;
  /** Seconds within which a client must read a chunk of a streamed response. Otherwise, its connection is closed. */
  readonly sendSeconds: number;
  /** Maximum number of seconds from the arrival of a request's body to the last token of its response. */
  readonly requestSeconds: number;
}

/** Converts seconds to milliseconds for a timer, limited to 2^31 - 1. A longer timer would fire at once. */
export function timerMs(seconds: number): number {
  return Math.min(seconds * 1000, 2 ** 31 - 1);
}

/** Default limits of a server on HTTP requests. */
export const defaultLimits: ServingLimits = {
  bodyBytes: 1 << 20,
  bodySeconds: 10,
  sequences: 16,
  pending: 256,
  sendSeconds: 60,
  requestSeconds: 600,
};
