import { definedOps, primitiveNames, testBackend } from "@lowrank/core/testing";
import { noWebGpu } from "@lowrank/test-support/webgpu";
import { afterAll, describe, expect, it } from "vitest";
import { kernel, webgpu } from "./index.ts";
import { kernels } from "./kernels/index.ts";

describe.skipIf(noWebGpu)("webgpu", async () => {
  if (noWebGpu !== undefined) return;
  const backend = await webgpu();
  afterAll(() => backend.dispose());

  for (const { name, run } of testBackend(backend)) it(name, run);

  it("refuses a second kernel for an op", async () => {
    await expect(webgpu({ kernels: [kernel("matmul", () => [])] })).rejects.toThrow(
      'webgpu: the op "matmul" has two kernels; leave one of them out',
    );
  });
});

const names = kernels.map(({ op }) => op);

it("has a kernel for every primitive, from which the other ops are composed", () => {
  expect([...primitiveNames].filter((name) => !names.includes(name))).toEqual([]);
});

it("has no kernel for an op that does not exist", () => {
  expect(names.filter((name) => !definedOps().has(name))).toEqual([]);
});
