import { Generator, matmul, randn, scope, softmax, tensor } from "@lowrank/core";
import { addInto } from "@lowrank/core/internal";
import { noWebGpu } from "@lowrank/test-support/webgpu";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { entry, kernel, shader, type WebGpuBackend, webgpu } from "./index.ts";

describe.skipIf(noWebGpu)("warmUp", () => {
  let backend: WebGpuBackend;
  beforeAll(async () => {
    backend = await webgpu();
  });
  afterAll(() => backend?.dispose());

  it("runs nothing of it, and the work gives the same afterwards", async () => {
    const x = randn([5, 7], { generator: new Generator(1), backend });
    const before = await x.toArray();
    const step = () => scope(() => softmax(matmul(x, x, { transposeB: true }), { dim: 1 }));
    const work = () => {
      step().dispose();
      addInto(x, x, {});
    };
    await backend.warmUp(work);
    // The kernels have been checked by now.
    const { dispatches } = backend.stats();
    await backend.warmUp(work);
    expect(backend.stats().dispatches).toBe(dispatches);
    expect(await x.toArray()).toEqual(before);
    const y = step();
    const sums = await y.sum({ dim: 1 }).data();
    for (const sum of sums) expect(sum).toBeCloseTo(1, 5);
  });

  it("refuses an asynchronous step, whose later work would not be seen", async () => {
    const step = async () => {
      await backend.sync();
      throw new Error("not to be reported as unhandled");
    };
    await expect(backend.warmUp(step)).rejects.toThrow("warmUp: the function returned a promise");
    expect(await tensor([2], { backend }).toArray()).toEqual([2]);
  });

  it("tells of a kernel that does not compile", async () => {
    const broken = shader({
      name: "broken",
      bindings: { out: "write f32" },
      uniforms: {},
      code: entry(64, "  ;;out["),
    });
    const own = kernel("webgpuTest/unknown", (_inputs, [out]) => [broken.dispatch({ out }, {}, [1, 1, 1])]);
    const second = await webgpu({ kernels: [own] });
    const [x, y] = [tensor([1], { backend: second }), tensor([1], { backend: second })];
    const run = () => second.run({ name: "webgpuTest/unknown" }, [x], [y], undefined);
    await expect(second.warmUp(run)).rejects.toThrow(/^webgpu: the kernel "broken" does not compile: line \d+:\d+/);
    second.dispose();
  });
});
