import { add, full, scope, type Tensor, tensor } from "@lowrank/core";
import { noWebGpu } from "@lowrank/test-support/webgpu";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type WebGpuBackend, webgpu } from "./index.ts";

const numbers = async (t: Tensor): Promise<number[]> => Array.from(await t.data());

describe.skipIf(noWebGpu)("memory on the device", () => {
  let backend: WebGpuBackend;
  beforeAll(async () => {
    backend = await webgpu();
  });
  afterAll(() => backend?.dispose());

  // A small write becomes a command of the batch; before a large one the batch is submitted.
  it.each([3, 4000])("keeps what commands read when a freed buffer is written at once: %i numbers", async (size) => {
    const made = (value: number): Tensor => tensor(new Float32Array(size).fill(value), { backend });
    for (let round = 0; round < 50; round++) {
      const x = made(round);
      const y = add(x, x);
      x.dispose();
      // It reuses the buffer of x, and its bytes come from the host.
      const other = made(-1);
      const z = add(other, y);
      expect([...new Set(await numbers(y))]).toEqual([2 * round]);
      expect([...new Set(await numbers(z))]).toEqual([2 * round - 1]);
      for (const t of [y, other, z]) t.dispose();
    }
  });

  it("writes parts that are not whole words", async () => {
    const x = tensor([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10], { dtype: "u8", backend });
    const { buffer } = x.storage;
    const write = (at: number, ...bytes: number[]) => backend.write(buffer, Uint8Array.from(bytes), at);
    write(1, 21, 22);
    write(3, 23, 24, 25, 26, 27, 28);
    write(10, 30);
    expect(await numbers(x)).toEqual([0, 21, 22, 23, 24, 25, 26, 27, 28, 9, 30]);
    write(6, 46);
    expect(await numbers(x)).toEqual([0, 21, 22, 23, 24, 25, 46, 27, 28, 9, 30]);
    x.dispose();
  });

  it("is flat over steps of changing lengths", async () => {
    const step = (i: number) =>
      scope(() => {
        const length = 1 + ((i * 37) % 64);
        const x = full([length, 3], 1, { backend });
        // Bytes from the host, as a batch's ids are.
        const y = tensor(new Float32Array(3).fill(i % 7), { backend });
        return add(x, y).sum();
      });
    const steps = async (count: number): Promise<number> => {
      let last = 0;
      for (let i = 0; i < count; i++) {
        const sum = step(i);
        if (i % 50 === 49) last = await sum.item();
        sum.dispose();
      }
      return last;
    };
    await steps(200);
    const before = backend.stats();
    expect(await steps(600)).toBe(3 * (1 + ((599 * 37) % 64)) * (1 + (599 % 7)));
    expect(backend.stats()).toMatchObject({ used: before.used, buffers: before.buffers, length: before.length });
  });

  it("hands many commands over at once", async () => {
    const { dispatches, submits } = backend.stats();
    const y = scope(() => {
      let sum = full([3], 1, { backend });
      for (let i = 0; i < 100; i++) sum = add(sum, sum);
      return sum;
    });
    expect(await numbers(y)).toEqual([2 ** 100, 2 ** 100, 2 ** 100]);
    y.dispose();
    const after = backend.stats();
    expect(after.dispatches - dispatches).toBe(101);
    expect(after.submits - submits).toBeLessThanOrEqual(2);
  });

  it("names a buffer that is larger than the device has", () => {
    const most = backend.device.limits.maxBufferSize;
    expect(() => backend.alloc(most + 4)).toThrow(
      `webgpu: a tensor of ${most + 4} bytes is larger than any buffer of this device (${most} bytes)`,
    );
  });
});
