/** The error for a body that ended before its time. What has come is right. */
export class InterruptedBody extends Error {}

/** Says why a request failed: fetch itself says little, and its cause more. */
export function reasonOf(error: unknown): string {
  const { cause, message } = (error ?? {}) as { cause?: { message?: string; code?: string }; message?: string };
  return cause?.code ?? (cause?.message || message || String(error));
}
