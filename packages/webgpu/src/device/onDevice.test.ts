import type { BackendOp, Buffer, TensorRef } from "@lowrank/core/backend";
import { afterEach, describe, expect, it, vi } from "vitest";
import { kernel, type WebGpuBackend, type WebGpuKernel } from "../index.ts";
import { shader } from "../kernel/shader.ts";
import { type FakeCounts, type FakeFacts, fakeDevice, type Program } from "../testing/fakeDevice.ts";
import { onDevice } from "./onDevice.ts";

afterEach(() => void vi.restoreAllMocks());

interface Own {
  readonly programs?: Readonly<Record<string, Program>>;
  readonly facts?: FakeFacts;
  readonly kernels?: readonly WebGpuKernel[];
  readonly batchInvariant?: boolean;
  readonly subgroups?: boolean;
  readonly name?: string;
  readonly software?: boolean;
  readonly end?: () => void;
}

async function opened(own: Own = {}): Promise<{ backend: WebGpuBackend; counts: FakeCounts }> {
  const { kernels = [], batchInvariant = false, name = "fake", software = true, end = () => {} } = own;
  const { device, counts } = fakeDevice(own.programs, own.facts);
  const settings = { kernels, batchInvariant, subgroups: own.subgroups };
  return { backend: await onDevice({ device, adapter: { name, software } }, settings, end), counts };
}

const bytes = async (backend: WebGpuBackend, buffer: Buffer, from?: number, to?: number): Promise<number[]> =>
  Array.from(await backend.read(buffer, from, to));

/** out[i] = 2 * x[i], for integers. */
const doubled = shader({
  name: "doubled",
  bindings: { x: "read i32", out: "write i32" },
  uniforms: { size: "u32" },
  code: "",
});
const double: Program = (u, [x, out]) => {
  for (let i = 0; i < u.getUint32(0, true); i++) out[i] = 2 * x[i];
};
/** Has a fault at the first entry above 9. */
const checked = shader({ name: "checked", bindings: { x: "read i32" }, uniforms: {}, faults: true, code: "" });
const check: Program = (_u, [x, faults]) => {
  const at = x.findIndex((value) => value > 9);
  if (at >= 0) faults[0] = Math.min(faults[0], at);
};

const programs = { doubled: double, checked: check };
const doubleKernel = kernel("test/double", ([x], [out]) => [doubled.dispatch({ x, out }, { size: x.size }, [1, 1, 1])]);
const checkKernel = kernel("test/check", ([x]) => [checked.dispatch({ x }, {}, [1, 1, 1], x)]);
const kernels = [doubleKernel, checkKernel];

const op = (name: string, more: Partial<BackendOp<unknown>> = {}): BackendOp<unknown> => ({ name, ...more });

function place(backend: WebGpuBackend, values: readonly number[]): TensorRef {
  const buffer = backend.alloc(4 * values.length);
  if (values.length > 0) backend.write(buffer, new Uint8Array(Int32Array.from(values).buffer));
  return { shape: [values.length], dtype: "i32", buffer } as unknown as TensorRef;
}

describe("memory on a device", () => {
  it("is written and read at any byte", async () => {
    const { backend } = await opened();
    for (const size of [1, 2, 3, 4, 5, 8, 11]) {
      const buffer = backend.alloc(size);
      const model = Array.from({ length: size }, (_, i) => 200 + i);
      backend.write(buffer, Uint8Array.from(model));
      let value = 0;
      for (let offset = 0; offset <= size; offset++) {
        for (let length = 0; offset + length <= size; length++) {
          const part = Array.from({ length }, () => ++value & 127);
          backend.write(buffer, Uint8Array.from(part), offset);
          model.splice(offset, length, ...part);
        }
        expect(await bytes(backend, buffer), `${size} bytes, written from ${offset} on`).toEqual(model);
        for (let to = offset; to <= size; to++) {
          expect(await bytes(backend, buffer, offset, to)).toEqual(model.slice(offset, to));
        }
      }
      backend.free(buffer);
    }
  });

  it("is not written past the end of a block", async () => {
    const { backend } = await opened();
    const blocks = [250, 250, 250].map((size) => backend.alloc(size));
    for (const block of blocks) backend.fill(block, 0x07070707);
    for (const block of blocks) backend.write(block, new Uint8Array(50).fill(9), 200);
    const model = [...new Array(200).fill(7), ...new Array(50).fill(9)];
    for (const block of blocks) expect(await bytes(backend, block)).toEqual(model);
    for (const block of blocks) backend.write(block, new Uint8Array(49).fill(8), 201);
    for (const block of blocks)
      expect(await bytes(backend, block)).toEqual([...model.slice(0, 201), ...new Array(49).fill(8)]);
  });

  it("is written in one piece where whole words are given", async () => {
    const { backend, counts } = await opened();
    const buffer = backend.alloc(10);
    await backend.sync();
    const { writes } = counts;
    const { dispatches } = backend.stats();
    // The last two bytes of the block.
    backend.write(
      buffer,
      Uint8Array.from({ length: 10 }, (_, i) => i + 1),
    );
    expect([counts.writes - writes, backend.stats().dispatches - dispatches]).toEqual([1, 0]);
    backend.write(buffer, Uint8Array.of(0, 0, 0, 0), 4);
    expect(backend.stats().dispatches - dispatches).toBe(0);
    backend.write(buffer, Uint8Array.of(70, 71, 72, 73, 74), 3);
    expect(backend.stats().dispatches - dispatches).toBe(1);
    backend.write(buffer, Uint8Array.of(80), 0);
    backend.write(buffer, Uint8Array.of(81, 82), 4);
    expect(backend.stats().dispatches - dispatches).toBe(3);
    expect(await bytes(backend, buffer)).toEqual([80, 2, 3, 70, 81, 82, 73, 74, 9, 10]);
  });

  it("is filled with a word, in parts that a kernel can see", async () => {
    const { backend } = await opened({ facts: { limits: { maxStorageBufferBindingSize: 1024 } } });
    for (const size of [0, 1, 4, 1024, 1025, 5000]) {
      const buffer = backend.alloc(size);
      backend.fill(buffer, 0x04030201);
      expect(await bytes(backend, buffer)).toEqual(Array.from({ length: size }, (_, i) => (i % 4) + 1));
      backend.free(buffer);
    }
  });

  it("that was freed is refused by its size", async () => {
    const { backend } = await opened({ programs, kernels });
    const x = place(backend, [1, 2, 3]);
    backend.free(x.buffer);
    const words = "uses a buffer of 12 bytes that was freed before";
    expect(() => backend.free(x.buffer)).toThrow(`webgpu: free ${words}`);
    expect(() => backend.write(x.buffer, Uint8Array.of(1))).toThrow(`webgpu: write ${words}`);
    expect(() => backend.fill(x.buffer, 1)).toThrow(`webgpu: fill ${words}`);
    expect(() => backend.read(x.buffer)).toThrow(`webgpu: read ${words}`);
    expect(() => backend.run(op("test/double"), [x], [place(backend, [0])], undefined)).toThrow(
      `webgpu: test/double ${words}`,
    );
  });
});

describe("an op on a device", () => {
  it("runs its kernel after all that was asked for before", async () => {
    const { backend, counts } = await opened({ programs, kernels });
    const [x, y, z] = [place(backend, [1, 2, 3]), place(backend, [0, 0, 0]), place(backend, [0, 0, 0])];
    backend.run(op("test/double"), [x], [y], undefined);
    backend.run(op("test/double"), [y], [z], undefined);
    backend.write(x.buffer, Uint8Array.of(9, 0, 0, 0));
    expect(new Int32Array((await backend.read(z.buffer)).buffer)).toEqual(Int32Array.of(4, 8, 12));
    expect(counts.submits).toBe(1);
    expect(backend.stats()).toMatchObject({ dispatches: 2, submits: 1 });
  });

  it("without a kernel is an error, and the table says what there is", async () => {
    const { backend } = await opened({ kernels });
    expect(() => backend.run(op("test/none"), [], [], undefined)).toThrow("webgpu: there is no kernel for test/none");
    expect(backend.supports(op("test/none"), [], undefined)).toBe(false);
    expect(backend.supports(op("test/double"), [], undefined)).toBe(true);
  });

  it("with empty results does nothing, and in place it runs", async () => {
    const { backend } = await opened({ programs, kernels });
    const [x, empty] = [place(backend, [1]), place(backend, [])];
    backend.run(op("test/double"), [x], [empty], undefined);
    expect(backend.stats().dispatches).toBe(0);
    backend.run(op("test/double"), [x], [place(backend, [0])], undefined);
    expect(backend.stats().dispatches).toBe(1);
    // The kernel, and the dispatch that records a fault.
    backend.run(op("test/check"), [x], [], undefined);
    expect(backend.stats().dispatches).toBe(3);
  });

  it("on tensors that a kernel cannot see is refused by their sizes", async () => {
    const facts = { limits: { maxStorageBufferBindingSize: 1024 } };
    const { backend } = await opened({ programs, kernels, facts });
    const [fits, large] = [256, 257].map((size) => place(backend, new Array<number>(size).fill(1)));
    const out = place(backend, new Array<number>(256).fill(0));
    backend.run(op("test/double"), [fits], [out], undefined);
    expect(() => backend.run(op("test/double"), [large], [out], undefined)).toThrow(
      "webgpu: test/double: i32 [257] of 1028 bytes exceeds maxStorageBufferBindingSize of this device (1024 bytes), and this op cannot process it in parts; give it smaller tensors, or use a device with a higher limit",
    );
    expect(backend.stats().dispatches).toBe(1);
  });

  it("gives memory of its own back, also where it fails", async () => {
    const wide = kernel("test/wide", ([x], [out], _params, gpu) => {
      const extra = gpu.scratch({ shape: [100], dtype: "f32" });
      expect(extra.size).toBe(100);
      if (x.size === 1) throw new Error("no");
      return [doubled.dispatch({ x, out }, { size: x.size }, [1, 1, 1])];
    });
    const { backend } = await opened({ programs, kernels: [wide] });
    const [x, one, out] = [place(backend, [1, 2]), place(backend, [1]), place(backend, [0, 0])];
    const { used } = backend.stats();
    backend.run(op("test/wide"), [x], [out], undefined);
    expect(() => backend.run(op("test/wide"), [one], [out], undefined)).toThrow("no");
    expect(backend.stats()).toMatchObject({ used, buffers: 4 });
  });
});

describe("faults in the data of a device", () => {
  const fault = (at: number, value: number, [{ shape }]: readonly { shape: readonly number[] }[]) =>
    new Error(`${value} at ${at} of [${shape}]`);

  it("come with the next read, the first op's first, once", async () => {
    const { backend } = await opened({ programs, kernels });
    const fine = place(backend, [5]);
    backend.run(op("test/check", { fault }), [place(backend, [1, 2])], [], undefined);
    await backend.sync();
    backend.run(op("test/check", { fault }), [place(backend, [1, 30, 40])], [], undefined);
    backend.run(op("test/check", { fault }), [place(backend, [50])], [], undefined);
    await expect(backend.read(fine.buffer)).rejects.toThrow("30 at 1 of [3]");
    expect(await bytes(backend, fine.buffer)).toEqual([5, 0, 0, 0]);
    backend.run(op("test/check"), [place(backend, [0, 50])], [], undefined);
    await expect(backend.sync()).rejects.toThrow("test/check: 50 at position 1 is not allowed");
    await backend.sync();
  });

  it("are asked for by themselves in a program that never reads", async () => {
    const { backend, counts } = await opened({ programs, kernels });
    const [x, bad] = [place(backend, [1]), place(backend, [77])];
    await backend.sync();
    const { maps } = counts;
    backend.run(op("test/check", { fault }), [bad], [], undefined);
    for (let i = 0; i < 5000; i++) {
      backend.run(op("test/check", { fault }), [x], [], undefined);
      if (i % 250 === 0) await new Promise((resolve) => setTimeout(resolve));
    }
    expect(counts.maps - maps).toBeGreaterThanOrEqual(1);
    expect(counts.maps - maps).toBeLessThan(5);
    // The error is kept until the next read.
    await expect(backend.sync()).rejects.toThrow("77 at 0 of [1]");
    await backend.sync();
  });
});

describe("warmUp on a device", () => {
  it("does nothing of what is asked for", async () => {
    const { backend } = await opened({ programs, kernels });
    const [x, y] = [place(backend, [1, 2, 3]), place(backend, [4, 5, 6])];
    await backend.warmUp(() => {
      backend.run(op("test/double"), [x], [y], undefined);
      backend.fill(x.buffer, 7);
      backend.write(x.buffer, Uint8Array.of(8));
      backend.write(x.buffer, Uint8Array.of(8, 8, 8, 8));
    });
    expect(backend.stats().dispatches).toBe(0);
    expect((await bytes(backend, x.buffer))[0]).toBe(1);
    expect((await bytes(backend, y.buffer))[0]).toBe(4);
    const fails = () => {
      throw new Error("a step that fails");
    };
    await expect(backend.warmUp(fails)).rejects.toThrow("a step that fails");
    backend.run(op("test/double"), [x], [y], undefined);
    expect((await bytes(backend, y.buffer))[0]).toBe(2);
  });

  it("measures tiles on hardware, once, and gives their memory back", async () => {
    const { backend, counts } = await opened({ software: false, name: "test/measured" });
    const { used } = backend.stats();
    await backend.warmUp(() => {});
    // Six tiles, four times.
    expect(counts.runs.filter((runs) => runs > 0).length).toBeGreaterThanOrEqual(24);
    expect(backend.stats()).toMatchObject({ used });
    const { submits } = counts;
    await backend.warmUp(() => {});
    expect(counts.submits).toBe(submits);
  });
});

describe("a backend on a device", () => {
  it("has the facts of its adapter", async () => {
    const end = vi.fn();
    for (const [most, tensors] of [
      [8, 7],
      [10, 9],
      [6, 5],
      [5, 5],
      [4, 5],
    ]) {
      const { backend } = await opened({ facts: { limits: { maxStorageBuffersPerShaderStage: most } }, end });
      expect(backend.maxTensors, `${most} buffers`).toBe(tensors);
      expect(backend).toMatchObject({
        ...{ name: "webgpu", adapter: "fake", software: true, batchInvariant: false, subgroups: false },
      });
      expect(end).not.toHaveBeenCalled();
      backend.dispose();
      expect(end).toHaveBeenCalledTimes(1);
      end.mockClear();
    }
  });

  const subgroups = { features: ["subgroups"] };
  /** The trial of subgroups sums 150 values, and finds the largest. */
  const trial = (right: boolean): Program => {
    return (_u, [x, out]) => {
      const numbers = Array.from(new Float32Array(x.buffer, x.byteOffset, 150));
      expect(numbers).toEqual(Array.from({ length: 150 }, (_, i) => 150 - i));
      const results = [numbers.reduce((a, b) => a + b), right ? Math.max(...numbers) : 149];
      out.set(new Uint32Array(Float32Array.from(results).buffer));
    };
  };

  it("uses subgroups where a trial gives known numbers, and tries an adapter once", async () => {
    const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
    const open = async (name: string, right: boolean, more: Own = {}) => {
      const own = { name, programs: { "trial of subgroups": trial(right) }, facts: subgroups, ...more };
      return (await opened(own)).backend.subgroups;
    };
    expect(await open("test/right", true)).toBe(true);
    expect(warn).not.toHaveBeenCalled();
    expect(await open("test/wrong", false)).toBe(false);
    expect(warn.mock.calls).toEqual([
      ["webgpu: subgroups compute wrong values on test/wrong; kernels do without them"],
    ]);
    // The results for an adapter are cached.
    expect([await open("test/right", false), await open("test/wrong", true)]).toEqual([true, false]);
    expect(warn).toHaveBeenCalledTimes(1);
    expect(await open("test/wrong", false, { subgroups: true })).toBe(true);
    expect(await open("test/right", true, { subgroups: false })).toBe(false);
    expect(await open("test/right", true, { facts: {} })).toBe(false);
    expect(await open("test/right", true, { facts: {}, subgroups: true })).toBe(false);
  });

  it("that is batch-invariant uses subgroups of one size alone", async () => {
    for (const [sizes, uses] of [
      [{ subgroupMinSize: 32, subgroupMaxSize: 32 }, true],
      [{ subgroupMinSize: 1, subgroupMaxSize: 1 }, true],
      [{ subgroupMinSize: 16, subgroupMaxSize: 32 }, false],
      [{ subgroupMinSize: 0, subgroupMaxSize: 0 }, false],
      [{}, false],
      [undefined, false],
    ] as const) {
      const facts = { ...subgroups, adapterInfo: sizes };
      const own = { facts, subgroups: true, batchInvariant: true, name: "test/one size" };
      expect((await opened(own)).backend.subgroups, JSON.stringify(sizes)).toBe(uses);
    }
    const many = { ...subgroups, adapterInfo: { subgroupMinSize: 16, subgroupMaxSize: 32 } };
    expect((await opened({ facts: many, subgroups: true })).backend.subgroups).toBe(true);
  });

  it("that is batch-invariant has a device that keeps rows apart", async () => {
    const { backend, counts } = await opened({ batchInvariant: true, name: "test/apart" });
    expect(backend.batchInvariant).toBe(true);
    expect(backend.stats()).toMatchObject({ used: 0 });
    expect(counts.maps).toBe(8);
    // An adapter is tested once.
    expect((await opened({ batchInvariant: true, name: "test/apart" })).counts.maps).toBe(0);
    expect((await opened({ name: "test/not tried" })).counts.maps).toBe(0);
  });
});
