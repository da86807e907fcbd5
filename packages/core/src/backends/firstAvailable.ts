import type { Backend } from "./backend.ts";

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

type Start = () => Backend | Promise<Backend>;

/**
 * Starts the first backend in a list that works here: `await init(firstAvailable(webgpu, wasm))`. The next one is
 * started only if all before it are unavailable; a warning on the console then gives the reason and the backend that is
 * used. Throws if none is available, or if a start fails for another reason.
 */
export async function firstAvailable<Starts extends readonly [Start, ...Start[]]>(
  ...starts: Starts
): Promise<Awaited<ReturnType<Starts[number]>>> {
  const missing: UnavailableError[] = [];
  const reasons = (): string => missing.map(({ reason }) => reason).join("; ");
  for (const start of starts) {
    if (typeof start !== "function") {
      throw new Error(
        `firstAvailable: ${start} is no function; give functions that start backends, as in firstAvailable(webgpu, () => wasm({ threads: 2 }))`,
      );
    }
    try {
      const backend = await start();
      if (missing.length > 0) console.warn(`${reasons()}; ${backend.name} is used instead`);
      return backend as Awaited<ReturnType<Starts[number]>>;
    } catch (error) {
      if (!(error instanceof UnavailableError)) throw error;
      missing.push(error);
    }
  }
  const last = missing.at(-1);
  if (!last) throw new Error("firstAvailable: no backend is given; name some, as in firstAvailable(webgpu, wasm)");
  throw missing.length === 1 ? last : new UnavailableError(reasons(), last.remedy, { cause: missing[0] });
}
