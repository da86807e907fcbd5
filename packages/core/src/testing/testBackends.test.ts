import { describe, it } from "vitest";
import "../index.ts";
import { deferred } from "./deferred.ts";
import { primitives } from "./primitiveKernels.ts";
import { testBackend } from "./testBackend.ts";

describe.each([primitives(), deferred()])("$name", (backend) => {
  for (const { name, run } of testBackend(backend)) it(name, run);
});
