import { HttpError } from "../requests/httpError.ts";
import { timerMs } from "../requests/limits.ts";

/** Detects a client that does not read pieces that are ready. */
export class ReaderWatch {
  readonly #seconds: number;
  readonly #onStall: (error: HttpError) => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Time when the waiting piece became ready, in milliseconds; null if none waits. */
  #since: number | null = null;
  #ended = false;

  /** Calls `onStall` once, when a piece has waited for `seconds`. */
  constructor(seconds: number, onStall: (error: HttpError) => void) {
    this.#seconds = seconds;
    this.#onStall = onStall;
  }

  /** Records that a piece is ready for the client. */
  offer(): void {
    if (this.#ended) return;
    this.#since = performance.now();
    // One timer checks repeatedly, since a stream has thousands of pieces.
    this.#timer ??= setTimeout(() => this.#check(), timerMs(this.#seconds));
  }

  /** Records that the client has taken all pieces. */
  take(): void {
    this.#since = null;
  }

  /** Stops watching, when the stream has ended. */
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
