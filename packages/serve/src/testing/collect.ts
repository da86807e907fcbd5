import type { ServingEngine, ServingEvent, ServingRequest } from "../api/api.ts";

/** Returns a greedy request to the base model, with the given fields replaced. */
export function requestOf(given: Partial<ServingRequest> = {}): ServingRequest {
  return { id: "r", prompt: { text: "hello" }, adapter: null, tenant: "t", sampling: { temperature: 0 }, ...given };
}

/** Events of a request, with their tokens and text. */
export interface Collected {
  readonly events: readonly ServingEvent[];
  readonly tokens: readonly number[];
  /** New text. */
  readonly text: string;
  readonly finished: Extract<ServingEvent, { type: "finished" }>;
}

/** Runs a request to its end. */
export async function collect(engine: ServingEngine, given: Partial<ServingRequest> = {}): Promise<Collected> {
  const events: ServingEvent[] = [];
  for await (const event of engine.generate(requestOf(given))) events.push(event);
  const added = events.flatMap((event) => (event.type === "token" && !event.prompt ? [event] : []));
  const last = events[events.length - 1];
  if (last.type !== "finished") throw new Error(`the last event is ${last.type}`);
  return {
    ...{ events, tokens: added.map(({ token }) => token), text: added.map(({ text }) => text).join("") },
    finished: last,
  };
}
