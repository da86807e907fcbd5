import { ServingError, type ServingErrorCode, type ServingEvent, type ServingRequest } from "../api/api.ts";

/** The methods of an engine that give one answer. */
export type EngineCall =
  | "model"
  | "tokenize"
  | "detokenize"
  | "embed"
  | "adapters"
  | "loadAdapter"
  | "unloadAdapter"
  | "stats"
  | "drain"
  | "close";

/** A message to the engine's Worker. Calls and requests are told apart by numbers. */
export type ToWorker =
  | { readonly type: "call"; readonly id: number; readonly method: EngineCall; readonly args: readonly unknown[] }
  | { readonly type: "generate"; readonly id: number; readonly request: ServingRequest }
  | { readonly type: "abort"; readonly id: number }
  /** The events that were taken since the last message, by request. */
  | { readonly type: "taken"; readonly counts: readonly (readonly [id: number, count: number])[] };

/** One thing that the Worker tells. */
export type FromWorker =
  | { readonly type: "event"; readonly id: number; readonly event: ServingEvent }
  | { readonly type: "ended"; readonly id: number }
  | { readonly type: "answer"; readonly id: number; readonly value: unknown }
  | { readonly type: "failure"; readonly id: number; readonly error: WireError };

/** An error on its way. */
export interface WireError {
  readonly name: string;
  readonly message: string;
  readonly stack?: string;
  /** The message of its cause, which logs show and clients do not. */
  readonly cause?: string;
  readonly serving?: {
    readonly code: ServingErrorCode;
    readonly param: string | null;
    readonly retryAfter: number | null;
  };
}

/** The events of a request that may be on their way; then its engine waits for the reader. */
export const eventWindow = 64;

/** Turns an error into what crosses to the other side. */
export function toWire(error: unknown): WireError {
  if (!(error instanceof Error)) return { name: "Error", message: String(error) };
  const { name, message, stack } = error;
  const told = { name, message, stack, ...(error.cause instanceof Error && { cause: error.cause.message }) };
  if (!(error instanceof ServingError)) return told;
  const { code, param, retryAfter } = error;
  return { ...told, serving: { code, param, retryAfter } };
}

/** Makes the error again. */
export function fromWire({ name, message, stack, cause, serving }: WireError): Error {
  const error = serving
    ? new ServingError(serving.code, message, serving.param, serving.retryAfter)
    : Object.assign(new Error(message), { name });
  if (stack !== undefined) error.stack = stack;
  if (cause !== undefined) error.cause = new Error(cause);
  return error;
}
