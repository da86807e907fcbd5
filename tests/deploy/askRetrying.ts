/** The answer to a request, and the number of attempts. */
export interface RetriedAnswer {
  readonly status: number;
  /** The complete text of the body. */
  readonly body: string;
  readonly attempts: number;
}

/** Options of `askRetrying`. */
export interface AskOptions {
  readonly key?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** The maximum number of attempts. Default: 8. */
  readonly attempts?: number;
  /** Timeout of one attempt in seconds. Default: 60. */
  readonly seconds?: number;
}

/** Statuses that are worth a retry, as in OpenAI's own clients. */
const passing = (status: number): boolean => status === 408 || status === 409 || status === 429 || status >= 500;

/**
 * Posts JSON, and retries transient failures as OpenAI's clients do: broken connections, and statuses 408, 409, 429 and
 * from 500 on. Those clients give up after two retries unless `maxRetries` is set. This function also restarts a stream
 * that breaks off, which those clients leave to their callers.
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
  // A failure inside a stream has no status, and a stream that was cut lacks its end marker.
  if (isStream && (!text.endsWith("data: [DONE]\n\n") || text.includes('data: {"error":'))) {
    throw new Error(`a stream that broke off: ...${text.slice(-200)}`);
  }
  return { status: response.status, body: text, retryAfter: Number(response.headers.get("retry-after") ?? 0) };
}

const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));
