// Set-up of every test file: frees unreachable tensors between tests. Otherwise a test that counts memory could see the
// engine free tensors of an earlier test. Files with `.garbage.` in their names test the engine's garbage collection:
// there unreachable tensors are freed at once.
import { beforeEach, expect } from "vitest";
import { holdGarbage } from "./heldGarbage.ts";

const garbage = holdGarbage();
const free = (): void => garbage.free(expect.getState().testPath ?? "");
free();
beforeEach(free);
