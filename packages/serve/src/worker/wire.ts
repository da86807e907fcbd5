import {
  type ServingEngine,
  ServingError,
  type ServingErrorCode,
  type ServingEvent,
  type ServingRequest,
} from "../api/api.ts";

/** Names of the engine's methods that return one value. */
export type EngineCall = Exclude<keyof ServingEngine, "generate">;

/** Message to the engine's Worker. `id` identifies the call or request. */
export type ToWorker =
  | { readonly type: "call"; readonly id: number; readonly method: EngineCall; readonly args: readonly unknown[] }
  | { readonly type: "generate"; readonly id: number; readonly request: ServingRequest }
  | { readonly type: "abort"; readonly id: number }
  /** For each request, the number of events that its reader has read since the last message. */
  | { readonly type: "taken"; readonly counts: readonly (readonly [id: number, count: number])[] };

/** Message from the engine's Worker. */
export type FromWorker =
  | { readonly type: "event"; readonly id: number; readonly event: ServingEvent }
  | { readonly type: "ended"; readonly id: number }
  | { readonly type: "answer"; readonly id: number; readonly value: unknown }
  | { readonly type: "failure"; readonly id: number; readonly error: WireError };

/** Error as data that can be sent between threads. */
export interface WireError {
  readonly name: string;
  readonly message: string;
  readonly stack?: string;
  /** Message of the error's cause, for logs only. */
  readonly cause?: string;
  readonly serving?: {
    readonly code: ServingErrorCode;
    readonly param: string | null;
    readonly retryAfter: number | null;
  };
}

/**
 * Maximum number of unread events per request. When the Worker has sent this many, the engine waits until the reader
 * has read some.
 */
export const eventWindow = 64;

/**
 * Number of microtask turns to wait before sending. The events of all requests in one step of the engine are then sent
 * in one message.
 */
const turns = 16;

/**
 * Returns a function that collects items. Items that are collected within a few microtask turns, such as in one step of
 * the engine, are sent together by one call of `send`.
 */
export function outbox<T>(send: (items: T[]) => void): (item: T) => void {
  let items: T[] = [];
  const flush = async () => {
    for (let turn = 0; turn < turns; turn++) await null;
    const all = items;
    items = [];
    send(all);
  };
  return (item) => {
    items.push(item);
    if (items.length === 1) void flush();
  };
}

/** Converts an error to data that can be sent between threads. */
export function toWire(error: unknown): WireError {
  if (!(error instanceof Error)) return { name: "Error", message: String(error) };
  const { name, message, stack } = error;
  const told = { name, message, stack, ...(error.cause instanceof Error && { cause: error.cause.message }) };
  if (!(error instanceof ServingError)) return told;
  const { code, param, retryAfter } = error;
  return { ...told, serving: { code, param, retryAfter } };
}

/** Converts a sent error's data back to an error. */
export function fromWire({ name, message, stack, cause, serving }: WireError): Error {
  const error = serving
    ? new ServingError(serving.code, message, serving.param, serving.retryAfter)
    : Object.assign(new Error(message), { name });
  if (stack !== undefined) error.stack = stack;
  if (cause !== undefined) error.cause = new Error(cause);
  return error;
}
