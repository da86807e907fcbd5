import type { AppRequest } from "../app/appContext.ts";
import { HttpError } from "../requests/httpError.ts";
import { timerMs } from "../requests/limits.ts";

/** Source of the chunks of a response body. Chunks are requested as fast as the client reads. */
export interface PacedSource {
  /** Returns the next chunk of the body, or null at the end. */
  next(): Promise<Uint8Array | null>;
  /**
   * Called once if the body ends early: the client has disconnected or stopped reading, or `next` has failed. `reason`
   * is the cause, if known.
   */
  cancel(reason?: unknown): void;
}

/**
 * Creates a response body from the chunks of `source`. The next chunk is requested when the client has read the
 * previous one, so one chunk is buffered. `strategy` can allow more. A client that reads nothing for `sendSeconds` is
 * disconnected.
 */
export function pacedBody(
  c: AppRequest,
  sendSeconds: number,
  source: PacedSource,
  strategy: QueuingStrategy<Uint8Array> = {},
): ReadableStream<Uint8Array> {
  let ended = false;
  let controller: ReadableStreamDefaultController<Uint8Array>;
  const cancel = (reason?: unknown) => {
    watch.end();
    if (!ended) source.cancel(reason);
    ended = true;
  };
  const fail = (reason: unknown) => {
    cancel(reason);
    const connection = nodeConnection(c);
    if (connection) connection.destroy();
    else controller.error(reason);
  };
  const watch = new ReaderWatch(sendSeconds, fail);
  const body: UnderlyingDefaultSource<Uint8Array> = {
    start(own) {
      controller = own;
    },
    async pull() {
      watch.take();
      try {
        const piece = await source.next();
        if (ended) return;
        if (piece !== null) {
          controller.enqueue(piece);
          watch.offer();
          return;
        }
        ended = true;
        watch.end();
        controller.close();
      } catch (error) {
        fail(error);
      }
    },
    cancel: () => cancel(),
  };
  return new ReadableStream(body, strategy);
}

/** Returns Node's connection, as `@hono/node-server` provides it; null on other runtimes. */
function nodeConnection(c: AppRequest): { destroy(): unknown } | null {
  const { outgoing } = (c.env ?? {}) as { readonly outgoing?: { destroy?(): unknown } };
  return typeof outgoing?.destroy === "function" ? { destroy: () => outgoing.destroy?.() } : null;
}

/** Detects a client that stops reading its response while chunks are ready for it. */
export class ReaderWatch {
  readonly #seconds: number;
  readonly #onStall: (error: HttpError) => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Time at which the unread chunk became ready, in milliseconds; null if the client has read everything. */
  #since: number | null = null;
  #ended = false;

  /** Calls `onStall` once, if the client leaves a chunk unread for `seconds`. */
  constructor(seconds: number, onStall: (error: HttpError) => void) {
    this.#seconds = seconds;
    this.#onStall = onStall;
  }

  /** Records that a chunk is ready for the client. */
  offer(): void {
    if (this.#ended) return;
    this.#since = performance.now();
    // One timer checks repeatedly, since a stream has thousands of pieces.
    this.#timer ??= setTimeout(() => this.#check(), timerMs(this.#seconds));
  }

  /** Records that the client has read all chunks. */
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
