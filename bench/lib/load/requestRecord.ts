import type { ServingEngine, ServingRequest } from "@lowrank/serve";

/** The timeline of one request, in milliseconds of `performance.now()`. */
export interface RequestRecord {
  readonly request: ServingRequest;
  /** Scheduled start. Waiting time counts from here, even if the request started late. */
  readonly due: number;
  /** Time of each new token. */
  readonly tokens: readonly number[];
  /** Time of the end. */
  readonly end: number;
  /** The error of a failed request; null if it completed. */
  readonly error: Error | null;
}

/** Runs a request to its end, and records its times even if it fails. */
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
