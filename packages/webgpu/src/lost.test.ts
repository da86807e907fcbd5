import { add, full, type Tensor, tensor } from "@lowrank/core";
import { noWebGpu } from "@lowrank/test-support/webgpu";
import { describe, expect, it } from "vitest";
import { type WebGpuBackend, webgpu } from "./index.ts";

describe.skipIf(noWebGpu)("a device that is lost", () => {
  /** Runs some work, and destroys the device after `at` calls. */
  async function work(backend: WebGpuBackend, at: number): Promise<number[]> {
    let sum: Tensor = full([3], 1, { backend });
    const next = (): void => {
      const doubled = add(sum, sum);
      sum.dispose();
      sum = doubled;
    };
    for (let i = 0; i < 8; i++) {
      if (i === at) backend.device.destroy();
      next();
      if (i % 3 === 2) await backend.sync();
    }
    return Array.from(await sum.data());
  }

  it("is a clear error at the next read wherever it happens, and a new one works", async () => {
    for (let at = 0; at < 8; at++) {
      const backend = await webgpu();
      await expect(work(backend, at), `destroyed at ${at}`).rejects.toThrow(
        /^webgpu: the device is lost \(it was destroyed.*call init\(webgpu\(\)\) again/,
      );
      const fresh = await webgpu();
      expect(await work(fresh, -1)).toEqual([256, 256, 256]);
      fresh.dispose();
    }
  });

  it("is a clear error when it comes at any time", async () => {
    for (const delay of [0, 1, 2, 3, 5, 8, 13]) {
      const backend = await webgpu();
      setTimeout(() => backend.device.destroy(), delay);
      const steps = async (): Promise<void> => {
        for (let i = 0; i < 10_000; i++) await work(backend, -1);
      };
      await expect(steps(), `destroyed after ${delay} ms`).rejects.toThrow(/^webgpu: the device is lost/);
    }
  });

  it("breaks a read that is on its way", async () => {
    const backend = await webgpu();
    const x = tensor([1], { backend });
    const read = x.data();
    backend.device.destroy();
    // The read may have completed before.
    const outcome = await read.then(
      (data) => Array.from(data),
      (error: Error) => error.message,
    );
    if (typeof outcome === "string") expect(outcome).toContain("webgpu: the device is lost");
    else expect(outcome).toEqual([1]);
    await expect(x.data()).rejects.toThrow("webgpu: the device is lost");
  });
});
