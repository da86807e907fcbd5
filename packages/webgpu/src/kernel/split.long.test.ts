import { type Backend, full, Generator, gradients, noGrad, quantize4bit, reference, scope } from "@lowrank/core";
import { cacheWrite } from "@lowrank/core/internal";
import { expectClose, inputValues, makeInput, prepareStored } from "@lowrank/core/testing";
import { noWebGpu } from "@lowrank/test-support/webgpu";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openDevice } from "../device/openDevice.ts";
import { type WebGpuBackend, webgpu } from "../index.ts";
import type { FusedCase } from "../testing/fusedCases.ts";
import { largeCases, most } from "../testing/largeCases.ts";
import { narrowDevice } from "../testing/watchedDevice.ts";

describe.skipIf(noWebGpu)("tensors that are larger than a kernel can see", () => {
  let device: GPUDevice;
  let narrow: WebGpuBackend;
  beforeAll(async () => {
    ({ device } = await openDevice({}));
    narrow = await webgpu({ device: narrowDevice(device, most) });
    await prepareStored(narrow);
  });
  afterAll(() => device?.destroy());

  const outcome = async ({ inputs, run, gradients: wanted = [] }: FusedCase, backend: Backend) => {
    const generator = new Generator(4);
    const tensors = scope(() => {
      const given = inputs.map((input) => makeInput(input, inputValues(input, generator), backend));
      for (const i of wanted) given[i].requiresGrad = true;
      const results = [run(given)].flat();
      const losses = results.filter((y) => y.requiresGrad).map((y) => y.mul(y).sum());
      const slopes =
        wanted.length > 0
          ? gradients(
              losses.reduce((a, b) => a.add(b)),
              wanted.map((i) => given[i]),
            )
          : [];
      return [...results, ...slopes];
    });
    return Promise.all(tensors.map(async (t) => ({ shape: t.shape, data: await t.data() })));
  };

  for (const one of largeCases) {
    it(`${one.name}`, async () => {
      const expected = await outcome(one, reference());
      const actual = await outcome(one, narrow);
      for (const [i, e] of expected.entries()) expectClose(`result ${i}`, actual[i], e, 2e-5);
    });
  }

  it("are refused by ops that cannot be cut, with sizes and the fix, and nothing is done", async () => {
    const w = full([600, 64], 0.5, { backend: narrow });
    expect(() => quantize4bit(w, {})).toThrow(
      /^webgpu: quantize4bit: nf4 \[600,64\] of \d+ bytes exceeds maxStorageBufferBindingSize of this device \(16384 bytes\), and this op cannot process it in parts; give it smaller tensors, or use a device with a higher limit$/,
    );
    const cache = full([2, 3000, 1, 1], 1, { backend: narrow });
    expect(() => noGrad(() => cacheWrite(cache, full([2, 1, 1, 1], 5, { backend: narrow }), { position: 0 }))).toThrow(
      "webgpu: cacheWrite: f32 [2,3000,1,1] of 24000 bytes",
    );
    expect(await cache.sum().item()).toBe(6000);
  });
});
