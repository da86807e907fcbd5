/** Thrown when a response body ended early. The bytes received before are valid. */
export class InterruptedBody extends Error {}

/** Returns the reason why a request failed. `fetch` puts the details into the error's cause. */
export function reasonOf(error: unknown): string {
  const { cause, message } = (error ?? {}) as { cause?: { message?: string; code?: string }; message?: string };
  return cause?.code ?? (cause?.message || message || String(error));
}
