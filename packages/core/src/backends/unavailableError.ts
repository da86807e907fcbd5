/**
 * The error of a backend that this machine or browser does not offer, as opposed to one of its
 * call. `firstAvailable` goes on with the next backend at it.
 */
export class UnavailableError extends Error {
  override readonly name = "UnavailableError";
  /** Says why there is none, without a remedy: "webgpu: no adapter was found". */
  readonly reason: string;
  /** Says what would help, without a full stop: "install a graphics driver". */
  readonly remedy: string;

  constructor(reason: string, remedy: string, options?: ErrorOptions) {
    super(`${reason}; ${remedy}, or use another backend`, options);
    this.reason = reason;
    this.remedy = remedy;
  }
}
