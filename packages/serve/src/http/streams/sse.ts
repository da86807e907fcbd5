import type { AppRequest } from "../app/appContext.ts";
import { toHttpError } from "../requests/httpError.ts";
import { pacedBody } from "./pacedBody.ts";

const encoder = new TextEncoder();

/** Writes one server-sent event. */
export function sseEvent(data: unknown): string {
  return `data: ${typeof data === "string" ? data : JSON.stringify(data)}\n\n`;
}

/** Options of `sseResponse`. */
interface SseOptions {
  /** Seconds in which the client takes a piece; else its connection is closed. */
  readonly sendSeconds: number;
  /** Is called with the failure that ends the events, a client that takes nothing included. */
  onError(error: unknown): void;
  /** Is called when the client has gone. */
  onCancel(): void;
}

/**
 * Answers by server-sent events. The next one is asked for when the client has taken the last; a
 * client that goes away, or takes nothing, ends the generator. A failure is the last event, since
 * the status has been sent.
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
  let failed = false;
  const body = pacedBody(c, sendSeconds, {
    async next() {
      if (failed) return null;
      try {
        const { done, value } = await events.next();
        return done ? null : encoder.encode(value);
      } catch (error) {
        onError(error);
        failed = true;
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
