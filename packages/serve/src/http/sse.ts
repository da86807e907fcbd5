import { toHttpError } from "./httpError.ts";

const encoder = new TextEncoder();

/** Writes one server-sent event. */
export function sseEvent(data: unknown): string {
  return `data: ${typeof data === "string" ? data : JSON.stringify(data)}\n\n`;
}

/**
 * Answers by server-sent events. The next one is asked for when the client has taken the last;
 * a client that goes away ends the generator. A failure is the last event, as there is no status
 * left to tell it.
 */
export function sseResponse(
  events: AsyncGenerator<string, void, undefined>,
  { onError, onCancel }: { onError(error: unknown): void; onCancel(): void },
): Response {
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await events.next();
        if (done) controller.close();
        else controller.enqueue(encoder.encode(value));
      } catch (error) {
        onError(error);
        try {
          controller.enqueue(encoder.encode(sseEvent(toHttpError(error).body()) + sseEvent("[DONE]")));
          controller.close();
        } catch {
          // The client has gone.
        }
      }
    },
    cancel() {
      onCancel();
      void events.return().catch(() => {});
    },
  });
  const headers = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
    // nginx would hold the answer back until it is whole.
    "x-accel-buffering": "no",
  };
  return new Response(body, { headers });
}
