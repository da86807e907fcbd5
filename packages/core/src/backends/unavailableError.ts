/**
 * Thrown if this machine or browser lacks a backend, as opposed to a mistake in the call. `firstAvailable` catches it
 * and tries the next backend.
 */
export class UnavailableError extends Error {
  override readonly name = "UnavailableError";
  /** The reason why the backend is unavailable, without a remedy: "webgpu: no adapter was found". */
  readonly reason: string;
  /** The remedy, without a full stop: "install a graphics driver". */
  readonly remedy: string;

  constructor(reason: string, remedy: string, options?: ErrorOptions) {
    super(`${reason}; ${remedy}, or use another backend`, options);
    this.reason = reason;
    this.remedy = remedy;
  }
}
