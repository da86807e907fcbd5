import { init, reference } from "@lowrank/core";
import { wasm } from "@lowrank/wasm";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Check } from "../check/compare.ts";
import { goldenFiles } from "../check/goldenFiles.ts";
import { caseChecks, openOps } from "./ops.ts";
import { schedules } from "./optimisers.ts";

const { file, golden } = (await openOps(await goldenFiles()))!;

async function expectAll(checks: Iterable<Check> | AsyncIterable<Check>): Promise<void> {
  let count = 0;
  for await (const { name, error } of checks) {
    count++;
    expect(error, name).toBeUndefined();
  }
  expect(count).toBeGreaterThan(0);
}

describe("PyTorch's numbers on the reference backend", () => {
  beforeAll(() => init(reference()));

  it.each(file.cases)("$id", (opCase) => expectAll(caseChecks(golden, opCase)));
});

const backends = (["simd", "relaxed"] as const).flatMap((build) => [1, 2].map((threads) => ({ build, threads })));

describe.each(backends)("PyTorch's numbers on wasm, $build, threads: $threads", async ({ build, threads }) => {
  // A grain this small divides every divisible kernel call.
  const backend = await wasm({ build, threads, grain: 1 });
  beforeAll(() => init(backend));
  afterAll(() => backend.dispose());

  it("has its threads", () => expect(backend.threads).toBe(threads));
  it.each(file.cases)("$id", (opCase) => expectAll(caseChecks(golden, opCase)));
});

it("PyTorch's schedules", () => expectAll(schedules(file.schedules ?? [])));
