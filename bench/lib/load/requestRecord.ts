import type { ServingEngine, ServingRequest } from "@lowrank/serve";

/** The course of one request, in milliseconds on the clock of `performance`. */
export interface RequestRecord {
  readonly request: ServingRequest;
  /** The time at which the request was to come: it waits from then on, also if it was late. */
  readonly due: number;
  /** The time of each new token. */
  readonly tokens: readonly number[];
  /** The time of its end. */
  readonly end: number;
  /** The error with which it failed; null for one that ran to its end. */
  readonly error: Error | null;
}

/** Runs a request to its end, also a bad one. */
export async function recordRequest(
  engine: Pick<ServingEngine, "generate">,
  request: ServingRequest,
  due: number = performance.now(),
): Promise<RequestRecord> {
  const tokens: number[] = [];
  let finished = false;
  let error: Error | null = null;
  try {
    for await (const event of engine.generate(request)) {
      if (event.type === "token" && !event.prompt) tokens.push(performance.now());
      finished = event.type === "finished";
    }
    if (!finished) error = new Error(`request ${request.id} ended after ${tokens.length} tokens without saying so`);
  } catch (thrown) {
    error = thrown as Error;
  }
  return { request, due, tokens, end: performance.now(), error };
}
