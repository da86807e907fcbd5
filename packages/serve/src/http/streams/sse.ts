import type { AppRequest } from "../app/appContext.ts";
import { toHttpError } from "../requests/httpError.ts";
import { pacedBody } from "./pacedBody.ts";

const encoder = new TextEncoder();

/** Formats data as one server-sent event. */
export function sseEvent(data: unknown): string {
  return `data: ${typeof data === "string" ? data : JSON.stringify(data)}\n\n`;
}

/** Options for `sseResponse`. */
interface SseOptions {
  /** Number of seconds within which the client must read a chunk. Otherwise its connection is closed. */
  readonly sendSeconds: number;
  /** Called with the error that ends the stream: a failure of the generator, or a client that stops reading. */
  onError(error: unknown): void;
  /** Called when the client has disconnected. */
  onCancel(): void;
}

/**
 * Returns a response that streams server-sent events. The next event is generated when the client has read the previous
 * one. If the client disconnects or stops reading, the generator is ended. A failure of the generator is sent as the
 * last event, since the HTTP status has already been sent.
 */
export function sseResponse(
  c: AppRequest,
  events: AsyncGenerator<string, void, undefined>,
  { sendSeconds, onError, onCancel }: SseOptions,
): Response {
  const headers = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
    // nginx would buffer the answer until it is complete.
    "x-accel-buffering": "no",
  };
  if (c.req.method === "HEAD") {
    onCancel();
    return new Response(null, { headers });
  }
  const body = pacedBody(c, sendSeconds, {
    async next() {
      try {
        const { done, value } = await events.next();
        return done ? null : encoder.encode(value);
      } catch (error) {
        onError(error);
        // The generator has ended, so the next piece is the end.
        return encoder.encode(sseEvent(toHttpError(error).body()) + sseEvent("[DONE]"));
      }
    },
    cancel(reason) {
      if (reason) onError(reason);
      onCancel();
      void events.return().catch(() => {});
    },
  });
  return new Response(body, { headers });
}
