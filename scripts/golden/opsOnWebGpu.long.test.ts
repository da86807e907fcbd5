import { init } from "@lowrank/core";
import { webgpu } from "@lowrank/webgpu";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { noWebGpu } from "../webgpuTests.ts";
import { exceptionOf } from "./exceptions.ts";
import { goldenFiles } from "./goldenFiles.ts";
import { caseChecks, openOps } from "./ops.ts";

const { file, golden } = (await openOps(await goldenFiles()))!;

describe.skipIf(noWebGpu)("PyTorch's numbers on webgpu", async () => {
  if (noWebGpu !== undefined) return;
  const backend = await webgpu();
  beforeAll(() => init(backend));
  afterAll(() => backend.dispose());

  it.each(file.cases)("$id", async (opCase) => {
    let count = 0;
    for await (const { name, error } of caseChecks(golden, opCase)) {
      count++;
      if (exceptionOf("webgpu", name) === undefined) expect(error, name).toBeUndefined();
    }
    expect(count).toBeGreaterThan(0);
  });
});
