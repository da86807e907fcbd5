// The entry "@lowrank/testing/vitest": adds the matchers to Vitest's `expect`.
import { expect } from "vitest";
import { type LowrankMatchers, lowrankMatchers } from "./matchers/matchers.ts";

expect.extend(lowrankMatchers as never);

declare module "vitest" {
  interface Matchers<R extends void | Promise<void> = void | Promise<void>, T = unknown>
    extends LowrankMatchers<Promise<void>> {}
}

export type { LowrankMatchers };
