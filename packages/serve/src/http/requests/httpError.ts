import { ServingError, type ServingErrorCode } from "../../api/api.ts";
import { BudgetError } from "../../budgets/budgetError.ts";

/** The body of every failure, as OpenAI's clients read it. */
export interface ErrorBody {
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly param: string | null;
    readonly code: string | number;
  };
}

/** Details of an HttpError. `retryAfter` is in seconds. */
interface HttpErrorDetails {
  type?: string;
  param?: string | null;
  /** Programs rely on it, so it stays as it is. vLLM's routes of adapters give the status. */
  code: string | number;
  retryAfter?: number | null;
  /** The rest of the request's body is left unread, and so its connection ends. */
  closes?: boolean;
  cause?: unknown;
}

/** A failure with its HTTP status and what its body says. */
export class HttpError extends Error {
  readonly status: number;
  readonly type: string;
  readonly param: string | null;
  readonly code: string | number;
  readonly retryAfter: number | null;
  readonly closes: boolean;

  constructor(status: number, message: string, details: HttpErrorDetails) {
    super(message, { cause: details.cause });
    this.name = "HttpError";
    this.status = status;
    this.type = details.type ?? "invalid_request_error";
    this.param = details.param ?? null;
    this.code = details.code;
    this.retryAfter = details.retryAfter ?? null;
    this.closes = details.closes ?? false;
  }

  /** Returns the same failure with other details. */
  with(details: Pick<HttpErrorDetails, "param" | "closes">): HttpError {
    const { type, param, code, retryAfter, closes, cause } = this;
    return new HttpError(this.status, this.message, { type, param, code, retryAfter, closes, cause, ...details });
  }

  /** Returns the body that tells a client of it. */
  body(): ErrorBody {
    return { error: { message: this.message, type: this.type, param: this.param, code: this.code } };
  }

  /** Returns the answer to a request that failed so. */
  response(): Response {
    const headers: Record<string, string> = { "content-type": "application/json" };
    if (this.retryAfter !== null) headers["retry-after"] = String(Math.max(1, Math.ceil(this.retryAfter)));
    if (this.closes) headers.connection = "close";
    if (this.status === 401) headers["www-authenticate"] = "Bearer";
    return new Response(JSON.stringify(this.body()), { status: this.status, headers });
  }
}

const statuses: Readonly<Record<ServingErrorCode, readonly [status: number, type: string, code: string]>> = {
  invalid_request: [400, "invalid_request_error", "invalid_value"],
  context_length_exceeded: [400, "invalid_request_error", "context_length_exceeded"],
  not_found: [404, "invalid_request_error", "model_not_found"],
  already_loaded: [400, "invalid_request_error", "already_loaded"],
  forbidden: [403, "permission_error", "forbidden"],
  queue_full: [429, "rate_limit_error", "rate_limit_exceeded"],
  draining: [503, "server_error", "draining"],
  adapter_refused: [400, "invalid_request_error", "adapter_refused"],
  unavailable: [503, "server_error", "unavailable"],
  insufficient_storage: [507, "server_error", "insufficient_storage"],
  timeout: [504, "server_error", "timeout"],
};

/** Seconds after which a client may try again, for failures that pass by themselves. */
const usualRetry: Partial<Record<ServingErrorCode, number>> = { queue_full: 1, draining: 5, unavailable: 5 };

/** Returns an error as HTTP tells it. One that is not a ServingError is a fault of the server. */
export function toHttpError(error: unknown): HttpError {
  if (error instanceof HttpError) return error;
  if (error instanceof BudgetError) {
    const { message, code, param, retryAfter } = error;
    const [status, type] = retryAfter === null ? [400, "invalid_request_error"] : [429, "rate_limit_error"];
    return new HttpError(status, message, { type, code, param, retryAfter, cause: error });
  }
  if (error instanceof ServingError) {
    const [status, type, code] = statuses[error.code];
    const retryAfter = error.retryAfter ?? usualRetry[error.code];
    return new HttpError(status, error.message, { type, code, param: error.param, retryAfter, cause: error });
  }
  const message = "The server had an error while processing your request; its log has the reason.";
  return new HttpError(500, message, { type: "server_error", code: "internal_error", cause: error });
}

/** The failure of a request for a model that there is not, or that its key may not use. */
export function modelNotFound(model: string): HttpError {
  return new HttpError(404, `The model \`${model}\` does not exist.`, { param: "model", code: "model_not_found" });
}

/** The failure of a request that asks for something which this server does not do. */
export function notSupported(param: string, what: string): HttpError {
  return new HttpError(400, what, { param, code: "unsupported_parameter" });
}
