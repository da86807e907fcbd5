import { setTimeout } from "node:timers/promises";

/** One request, asked once. */
export interface Ask {
  readonly path: string;
  readonly method?: "GET" | "POST";
  readonly key?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** An object is sent as JSON, all else as it is. */
  readonly body?: unknown;
  readonly signal?: AbortSignal;
}

/** Asks a server once; whatever its status, the answer is returned whole. */
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

/** Asks again while a replica that drains answers, ten times at most. */
export async function askUndrained(url: string, request: Ask): Promise<{ status: number; body: string }> {
  for (let attempt = 1; ; attempt++) {
    const answer = await ask(url, request);
    if (answer.status !== 503 || attempt === 10) return answer;
    await setTimeout(500);
  }
}

/** The path of the requests that most faults send. */
export const completions = "/v1/completions";

/** Returns a small good body for a model. */
export function smallBody(model: string): { model: string; prompt: string; max_tokens: number } {
  return { model, prompt: "the length of name", max_tokens: 2 };
}
