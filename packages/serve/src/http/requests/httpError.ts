import { ServingError, type ServingErrorCode } from "../../api/api.ts";
import { BudgetError } from "../../budgets/budgetError.ts";

/** Body of every failure, in OpenAI's format. */
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
  /** Stable error code for programs. vLLM's adapter routes use the HTTP status as code. */
  code: string | number;
  retryAfter?: number | null;
  /** True if the rest of the request's body is not read, so that the connection must close. */
  closes?: boolean;
  cause?: unknown;
}

/** Error that the server sends as an HTTP status and a JSON body. */
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

  /** Returns a copy of the error in which `param` or `closes` is replaced. */
  with(details: Pick<HttpErrorDetails, "param" | "closes">): HttpError {
    const { type, param, code, retryAfter, closes, cause } = this;
    return new HttpError(this.status, this.message, { type, param, code, retryAfter, closes, cause, ...details });
  }

  /** Returns the JSON body of the failure. */
  body(): ErrorBody {
    return { error: { message: this.message, type: this.type, param: this.param, code: this.code } };
  }

  /** Returns the HTTP response that reports the error. */
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

/** Seconds after which a client should retry, for temporary failures. */
const usualRetry: Partial<Record<ServingErrorCode, number>> = { queue_full: 1, draining: 5, unavailable: 5 };

/**
 * Converts an error to an HttpError. All errors other than ServingError, BudgetError and HttpError become a server
 * error with status 500.
 */
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

/** Returns the failure for a model that does not exist, or that the key may not use. */
export function modelNotFound(model: string): HttpError {
  return new HttpError(404, `The model \`${model}\` does not exist.`, { param: "model", code: "model_not_found" });
}

/** Returns the failure for a request that needs an unsupported feature. */
export function notSupported(param: string, what: string): HttpError {
  return new HttpError(400, what, { param, code: "unsupported_parameter" });
}
