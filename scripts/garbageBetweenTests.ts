// Set-up of every test file: tensors that become garbage are freed between tests, so that a test
// which counts memory does not see the engine free what an earlier one left. Files named
// `*.garbage.test.ts` are about what the engine frees by itself: there it is freed at once.
import { beforeEach, expect } from "vitest";
import { holdGarbage } from "./heldGarbage.ts";

const garbage = holdGarbage();
const free = (): void => garbage.free(expect.getState().testPath ?? "");
free();
beforeEach(free);
