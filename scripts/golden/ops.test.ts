import { init, reference } from "@lowrank/core";
import { folderFiles, type ModelFiles, urlFiles } from "@lowrank/files";
import { wasm } from "@lowrank/wasm";
import { webgpu } from "@lowrank/webgpu";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { noWebGpu } from "../webgpuTests.ts";
import type { Check } from "./compare.ts";
import { exceptionOf } from "./exceptions.ts";
import { caseChecks, openOps } from "./ops.ts";
import { schedules } from "./schedules.ts";

/**
 * The repository's golden data: a folder in Node, below the root of the test server in a browser.
 */
async function goldenFiles(): Promise<ModelFiles> {
  const here = import.meta.url;
  if (here.startsWith("file:")) return folderFiles(new URL("../../golden/", here));
  return urlFiles(new URL("/golden/", here));
}

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
  // A grain this small cuts every kernel call that can be cut.
  const backend = await wasm({ build, threads, grain: 1 });
  beforeAll(() => init(backend));
  afterAll(() => backend.dispose());

  it("has its threads", () => expect(backend.threads).toBe(threads));
  it.each(file.cases)("$id", (opCase) => expectAll(caseChecks(golden, opCase)));
});

describe.skipIf(noWebGpu)("PyTorch's numbers on webgpu", async () => {
  if (noWebGpu !== undefined) return;
  const backend = await webgpu();
  beforeAll(() => init(backend));
  afterAll(() => backend.dispose());

  it.each(file.cases)("$id", async (opCase) => {
    for await (const { name, error } of caseChecks(golden, opCase)) {
      if (exceptionOf("webgpu", name) === undefined) expect(error, name).toBeUndefined();
    }
  });
});

it("PyTorch's schedules", () => expectAll(schedules(file.schedules ?? [])));
