/** A request's answer, and the attempts that it took. */
export interface RetriedAnswer {
  readonly status: number;
  /** The text of the body, whole. */
  readonly body: string;
  readonly attempts: number;
}

/** Options of `askRetrying`. */
export interface AskOptions {
  readonly key?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Default: 8. */
  readonly attempts?: number;
  /** Seconds for one attempt. Default: 60. */
  readonly seconds?: number;
}

/** Statuses that pass by themselves, as OpenAI's own clients have them. */
const passing = (status: number): boolean => status === 408 || status === 409 || status === 429 || status >= 500;

/**
 * Posts JSON and asks again for what passes by itself, as OpenAI's clients do: a connection that
 * broke, and statuses 408, 409, 429 and from 500. They give up after two more attempts by default;
 * their `maxRetries` says otherwise. An answer in pieces is asked for again from its start where it
 * breaks off, which is left to the callers of those clients.
 */
export async function askRetrying(url: string, body: unknown, options: AskOptions = {}): Promise<RetriedAnswer> {
  const { attempts = 8 } = options;
  for (let attempt = 1; ; attempt++) {
    const answer = await ask(url, body, options).catch((error: Error) => error);
    const isLast = attempt === attempts;
    if (answer instanceof Error) {
      if (isLast) throw new Error(`${url} failed ${attempts} times, at last by ${answer.message}`, { cause: answer });
      await pause(Math.min(8000, 250 * 2 ** attempt));
    } else if (isLast || !passing(answer.status)) {
      return { status: answer.status, body: answer.body, attempts: attempt };
    } else {
      await pause(1000 * answer.retryAfter || Math.min(8000, 250 * 2 ** attempt));
    }
  }
}

async function ask(
  url: string,
  body: unknown,
  { key, headers, seconds = 60 }: AskOptions,
): Promise<{ status: number; body: string; retryAfter: number }> {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", ...(key && { authorization: `Bearer ${key}` }), ...headers },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(1000 * seconds),
  });
  const text = await response.text();
  const isStream = response.headers.get("content-type")?.startsWith("text/event-stream") ?? false;
  // A failure amid a stream has no status; a stream that was cut has no end.
  if (isStream && (!text.endsWith("data: [DONE]\n\n") || text.includes('data: {"error":'))) {
    throw new Error(`a stream that broke off: ...${text.slice(-200)}`);
  }
  return { status: response.status, body: text, retryAfter: Number(response.headers.get("retry-after") ?? 0) };
}

const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));
