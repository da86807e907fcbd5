import type { Random } from "@lowrank/test-support/random";
import type { Deployment } from "../deploy/deployment.ts";
import type { AdapterFiles } from "../deploy/makeAdapters.ts";
import type { Checks } from "./checks.ts";
import type { Clocks } from "./clocks.ts";

/** The deployment and tools that a fault uses. */
export interface Soak {
  readonly deployment: Deployment;
  readonly checks: Checks;
  readonly random: Random;
  /** Adapters that faults may write; no known request uses them. */
  readonly spares: readonly AdapterFiles[];
  /** Null if the clock of a process cannot be set. */
  readonly clocks: Clocks | null;
}

/**
 * A failure in a deployment, with the checks of its handling. The load continues, and its answers are checked
 * separately.
 */
export interface Fault {
  readonly name: string;
  run(soak: Soak): Promise<void>;
}

/** Throws if a value is not one of the expected values. */
export function expectOneOf<T>(what: string, found: T, ...expected: readonly T[]): void {
  if (!expected.includes(found)) throw new Error(`${what} is ${found}, not ${expected.join(" or ")}`);
}

/** Resolves after `milliseconds`. */
export const pause = (milliseconds: number): Promise<void> => new Promise((done) => setTimeout(done, milliseconds));

/** Repeats a check until it passes. Throws its last error after `seconds`. */
export async function eventually(seconds: number, check: () => Promise<void>): Promise<void> {
  const end = performance.now() + 1000 * seconds;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (performance.now() > end) {
        throw new Error(`after ${seconds} s: ${(error as Error).message}`, { cause: error });
      }
      await pause(250);
    }
  }
}
