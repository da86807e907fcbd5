import { setTimeout } from "node:timers/promises";

/** A request that is sent once, without retries. */
export interface Ask {
  readonly path: string;
  readonly method?: "GET" | "POST";
  readonly key?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** An object is sent as JSON, any other body unchanged. */
  readonly body?: unknown;
  readonly signal?: AbortSignal;
}

/** Sends a request once. Returns the complete answer for any status. */
export async function ask(url: string, request: Ask): Promise<{ status: number; body: string }> {
  const { path, body, key, headers } = request;
  const isText = typeof body === "string";
  const response = await fetch(url + path, {
    method: request.method ?? (body === undefined ? "GET" : "POST"),
    headers: {
      ...(body !== undefined && { "content-type": "application/json" }),
      ...(key !== undefined && { authorization: `Bearer ${key}` }),
      ...headers,
    },
    body: body === undefined || isText ? (body as string | undefined) : JSON.stringify(body),
    signal: request.signal ?? AbortSignal.timeout(60_000),
  });
  return { status: response.status, body: await response.text() };
}

/** Repeats a request while the answer comes from a draining replica, ten times at most. */
export async function askUndrained(url: string, request: Ask): Promise<{ status: number; body: string }> {
  for (let attempt = 1; ; attempt++) {
    const answer = await ask(url, request);
    if (answer.status !== 503 || attempt === 10) return answer;
    await setTimeout(500);
  }
}

/** The path of the requests for most faults. */
export const completions = "/v1/completions";

/** Returns a small valid body for a model. */
export function smallBody(model: string): { model: string; prompt: string; max_tokens: number } {
  return { model, prompt: "the length of name", max_tokens: 2 };
}
