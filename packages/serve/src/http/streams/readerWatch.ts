import { HttpError } from "../requests/httpError.ts";
import { timerMs } from "../requests/limits.ts";

/** Notices a client that takes nothing of what is ready for it. */
export class ReaderWatch {
  readonly #seconds: number;
  readonly #onStall: (error: HttpError) => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Time at which the piece that waits was ready, in milliseconds; null if none waits. */
  #since: number | null = null;
  #ended = false;

  /** Calls `onStall` once, when a chunk has waited for `seconds`. */
  constructor(seconds: number, onStall: (error: HttpError) => void) {
    this.#seconds = seconds;
    this.#onStall = onStall;
  }

  /** Notes that a piece is ready for the client. */
  offer(): void {
    if (this.#ended) return;
    this.#since = performance.now();
    // One timer looks again and again: a stream has thousands of pieces.
    this.#timer ??= setTimeout(() => this.#check(), timerMs(this.#seconds));
  }

  /** Notes that the client has taken all pieces. */
  take(): void {
    this.#since = null;
  }

  /** Ends the watch. */
  end(): void {
    this.#ended = true;
    clearTimeout(this.#timer);
  }

  #check(): void {
    this.#timer = undefined;
    if (this.#since === null) return;
    const left = timerMs(this.#seconds) - (performance.now() - this.#since);
    if (left > 0) {
      this.#timer = setTimeout(() => this.#check(), left);
      return;
    }
    this.end();
    const message = `The client has read nothing of its answer for ${this.#seconds} seconds, so its connection was closed.`;
    this.#onStall(new HttpError(408, message, { code: "client_stalled" }));
  }
}
