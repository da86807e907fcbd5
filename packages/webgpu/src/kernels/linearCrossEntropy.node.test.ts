import { defineOp, Generator, randn, reference, scope, tensor } from "@lowrank/core";
import type { Backend, linearCrossEntropyOp } from "@lowrank/core/backend";
import { definedOps, expectClose } from "@lowrank/core/testing";
import { noWebGpu } from "@lowrank/test-support/webgpu";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { kernel, type WebGpuBackend, webgpu } from "../index.ts";
import type { KernelCode } from "../kernel/kernel.ts";
import { linearCrossEntropyOpKernel } from "./linearCrossEntropy.ts";

type Definition = (typeof linearCrossEntropyOp)["definition"];
type Params = Parameters<NonNullable<Definition["ref"]>>[2];

const [rows, width, classes] = [150, 12, 37];

/** The op on a device with so small bindings that rows are processed in chunks of 64. */
const name = "webgpuTest/linearCrossEntropy";
const small = kernel<typeof linearCrossEntropyOp>(name, (inputs, outputs, params, gpu, op) => {
  const code = linearCrossEntropyOpKernel.run as unknown as KernelCode<Params>;
  const { maxComputeWorkgroupsPerDimension } = gpu.limits;
  const limits = { maxComputeWorkgroupsPerDimension, maxStorageBufferBindingSize: 4 * 4 * classes * 70 };
  return code(inputs, outputs, params, { ...gpu, limits: limits as GPUSupportedLimits }, op);
});

const original = definedOps().get("linearCrossEntropy") as unknown as Definition;
const op = defineOp<3, Params, 3>({ ...original, arity: 3, name });

describe.skipIf(noWebGpu)("linearCrossEntropy in chunks of rows", () => {
  let backend: WebGpuBackend;
  beforeAll(async () => {
    backend = await webgpu({ kernels: [small] });
  });
  afterAll(() => backend?.dispose());

  it.each([0, 0.1])("has the loss and the gradients of the reference, smoothed by %s", async (labelSmoothing) => {
    const ids = Int32Array.from({ length: rows }, (_, i) => (i % 7 === 3 ? -100 : (i * 5) % classes));
    const run = async (on: Backend) => {
      const generator = new Generator(3);
      const outputs = scope(() => {
        const hidden = randn([rows, width], { generator, backend: on });
        const weight = randn([classes, width], { generator, backend: on });
        const labels = tensor(ids, { backend: on });
        return op(hidden, weight, labels, { labelSmoothing, wants: { hidden: true, weight: true } });
      });
      return Promise.all(outputs.map(async (t) => ({ shape: t.shape, data: await t.data() })));
    };
    const [wanted, found] = [await run(reference()), await run(backend)];
    for (const [i, one] of wanted.entries()) expectClose(`output ${i}`, found[i], one, 1e-5);
    expect(found[1].data.slice(3 * width, 4 * width)).toEqual(new Float32Array(width));
  });
});
