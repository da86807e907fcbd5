/**
 * Thrown if a backend cannot run on this machine or in this browser. It is not thrown for wrong arguments.
 * `firstAvailable` catches it and tries the next backend.
 */
export class UnavailableError extends Error {
  override readonly name = "UnavailableError";
  /** The reason why the backend is unavailable, as in "webgpu: no adapter was found". */
  readonly reason: string;
  /** Advice to the user, without a full stop, as in "install a graphics driver". */
  readonly remedy: string;

  constructor(reason: string, remedy: string, options?: ErrorOptions) {
    super(`${reason}; ${remedy}, or use another backend`, options);
    this.reason = reason;
    this.remedy = remedy;
  }
}
