import { type Backend, embedding, full, matmul, quantize4bit, rmsNorm, softmax, tensor } from "@lowrank/core";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { noWebGpu } from "../../../../scripts/webgpuTests.ts";
import { openDevice } from "../device/openDevice.ts";
import { type WebGpuBackend, webgpu } from "../index.ts";
import { watchedDevice } from "../testing/watchedDevice.ts";

const row = (backend: Backend) => tensor([[1, -2, 3, 0.5]], { backend });

/** Calls of several ops, one of them with a packed weight. */
const work = (backend: Backend): void => {
  const x = full([2, 64], 0.5, { backend });
  rmsNorm(row(backend), full([4], 1, { backend }), { eps: 1e-6 });
  softmax(row(backend), { dim: 1 });
  embedding(row(backend), tensor([0], { dtype: "i32", backend }));
  matmul(x, quantize4bit(full([3, 64], 0.3, { backend }), {}), { transposeB: true });
};

describe.skipIf(noWebGpu)("the check of kernels by warmUp", () => {
  let device: GPUDevice;
  beforeAll(async () => {
    ({ device } = await openDevice({}));
  });
  afterAll(() => device?.destroy());
  afterEach(() => vi.restoreAllMocks());

  /** A backend on which kernels with these words in their text are wrong by a thousandth. */
  const broken = (words: string, instead: string): Promise<WebGpuBackend> =>
    webgpu({ device: watchedDevice(device, { change: (code) => code.replace(words, instead) }) });
  const warnings = () => vi.spyOn(console, "warn").mockImplementation(() => {});

  it("says nothing of kernels that are right", async () => {
    const warn = warnings();
    const backend = await webgpu({ device });
    await backend.warmUp(() => work(backend));
    expect(warn).not.toHaveBeenCalled();
    expect(backend.supports(rmsNorm.definition, [row(backend), full([4], 1, { backend })], { eps: 1e-6 })).toBe(true);
  });

  it("warns of a wrong one by its name, and other kernels do its work", async () => {
    const warn = warnings();
    const backend = await broken("* root * weight[i];", "* root * weight[i] * 1.001;");
    const norm = () => rmsNorm(row(backend), full([4], 1, { backend }), { eps: 1e-6 });
    const before = await norm().toArray();
    await backend.warmUp(() => work(backend));
    expect(warn.mock.calls.flat()).toEqual([
      expect.stringMatching(
        /^webgpu: the kernel for "rmsNorm" of f32 gives wrong numbers on .+; other kernels do its work/,
      ),
    ]);
    const [[first]] = (await norm().toArray()) as number[][];
    expect(first).toBeCloseTo(1 / Math.sqrt(14.25 / 4), 6);
    expect((before as number[][])[0][0]).not.toBeCloseTo(first, 4);
    await backend.warmUp(() => work(backend));
    expect(warn).toHaveBeenCalledTimes(1);
  });

  it("checks products with packed weights by the weight's dtype", async () => {
    const warn = warnings();
    const backend = await broken("return w_scale(i) *", "return 1.01 * w_scale(i) *");
    await backend.warmUp(() => work(backend));
    expect(warn.mock.calls.flat()).toEqual([expect.stringContaining('"matmul" of f32 and nf4')]);
  });
});
