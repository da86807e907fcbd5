import type { Backend } from "./backend.ts";
import { UnavailableError } from "./unavailableError.ts";

type Start = () => Backend | Promise<Backend>;

/**
 * Starts the first of several backends that is available: `await init(firstAvailable(webgpu,
 * wasm))`. Where that is not the first of all, one sentence on the console says why, and which is
 * used. A backend is started only if those before it are not available. Throws where none is, and
 * for any other error of a start.
 */
export async function firstAvailable<Starts extends readonly [Start, ...Start[]]>(
  ...starts: Starts
): Promise<Awaited<ReturnType<Starts[number]>>> {
  const missing: UnavailableError[] = [];
  const reasons = (): string => missing.map(({ reason }) => reason).join("; ");
  for (const start of starts) {
    if (typeof start !== "function") {
      throw new Error(
        `firstAvailable: ${start} is no function; give those that start backends, as in firstAvailable(webgpu, () => wasm({ threads: 2 }))`,
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
