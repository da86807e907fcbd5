// The entry "@lowrank/testing/vitest": adds the matchers to Vitest's `expect`, and lets `toEqual` compare tensors.
import { expect } from "vitest";
import { equalTensors } from "./matchers/equalTensors.ts";
import { type LowrankMatchers, lowrankMatchers } from "./matchers/matchers.ts";

expect.extend(lowrankMatchers as never);
expect.addEqualityTesters([equalTensors]);

declare module "vitest" {
  interface Matchers<R extends void | Promise<void> = void | Promise<void>, T = unknown>
    extends LowrankMatchers<Promise<void>> {}
}

export type { LowrankMatchers };
