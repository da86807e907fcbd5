/** Thrown when the connection breaks during a response. The bytes received before it are valid. */
export class InterruptedBody extends Error {}

/** Returns the reason why a request failed, which `fetch` puts into the error's cause. */
export function reasonOf(error: unknown): string {
  const { cause, message } = (error ?? {}) as { cause?: { message?: string; code?: string }; message?: string };
  return cause?.code ?? (cause?.message || message || String(error));
}
