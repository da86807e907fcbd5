import type { Caller } from "../../api/caller.ts";
import { HttpError } from "../requests/httpError.ts";
import type { FindCaller } from "./apiKeys.ts";

/** Running request with its API key. */
interface RunningRequest {
  readonly authorization: string | undefined;
  readonly caller: Caller;
  readonly end: AbortController;
}

/** Running requests with their API keys. If a key is removed, the server can end the key's requests. */
export class RunningRequests {
  readonly #running = new Set<RunningRequest>();

  /** Adds a request. Returns a signal that ends it, and a function to call when it has ended. */
  add(
    authorization: string | undefined,
    caller: Caller,
  ): { readonly revoked: AbortSignal; readonly ended: () => void } {
    const request: RunningRequest = { authorization, caller, end: new AbortController() };
    this.#running.add(request);
    return { revoked: request.end.signal, ended: () => void this.#running.delete(request) };
  }

  /**
   * Ends the requests whose API key has been removed or now belongs to another tenant. `find` looks up the current
   * keys.
   */
  async endRevoked(find: FindCaller): Promise<void> {
    const check = async ({ authorization, caller, end }: RunningRequest) => {
      if ((await find(authorization))?.tenant === caller.tenant) return;
      const message = "The API key of this request was removed.";
      end.abort(new HttpError(401, message, { code: "invalid_api_key" }));
    };
    await Promise.all([...this.#running].map(check));
  }
}
