/** Details of a BudgetError. */
interface BudgetErrorDetails {
  /** Seconds after which the same request may fit; null if it never fits. */
  readonly retryAfter: number | null;
  /** The field of the request that exceeds the budget. */
  readonly param?: string;
  /** Error code. Default: `rate_limit_exceeded` if the request may fit later, else `over_budget`. */
  readonly code?: string;
}

/** Error of a request that exceeds a budget of its API key. */
export class BudgetError extends Error {
  readonly retryAfter: number | null;
  readonly param: string | null;
  readonly code: string;

  constructor(message: string, { retryAfter, param = undefined, code }: BudgetErrorDetails) {
    super(message);
    this.name = "BudgetError";
    this.retryAfter = retryAfter;
    this.param = param ?? null;
    this.code = code ?? (retryAfter === null ? "over_budget" : "rate_limit_exceeded");
  }
}
