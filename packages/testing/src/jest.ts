// The entry "@lowrank/testing/jest": adds the matchers to Jest's `expect`, and lets `toEqual` compare tensors.
import { equalTensors } from "./matchers/equalTensors.ts";
import { type LowrankMatchers, lowrankMatchers } from "./matchers/matchers.ts";

/** Jest's `expect`, a global unless `injectGlobals` is false. */
const { expect } = globalThis as {
  expect?: { extend?: (matchers: object) => void; addEqualityTesters?: (testers: unknown[]) => void };
};
if (!expect?.extend) {
  throw new Error(
    'lowrank/testing/jest: there is no global expect. Import it in a test file of Jest; with injectGlobals: false, call expect.extend(lowrankMatchers) of "lowrank/testing"',
  );
}
expect.extend(lowrankMatchers);
expect.addEqualityTesters?.([equalTensors]);

declare module "expect" {
  interface Matchers<R extends void | Promise<void>, T = unknown> extends LowrankMatchers<Promise<void>> {}
}

export type { LowrankMatchers };
