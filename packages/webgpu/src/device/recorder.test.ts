import { describe, expect, it } from "vitest";
import type { GpuTensor } from "../kernel/kernel.ts";
import type { Slab } from "../kernel/pool.ts";
import { shader } from "../kernel/shader.ts";
import { LateErrors } from "../memory/faults.ts";
import { type FakeFacts, fakeDevice, type Program } from "../testing/fakeDevice.ts";
import { Pipelines } from "./pipelines.ts";
import { Recorder } from "./recorder.ts";

/** out[i] = 3 * out[i] + x[i] + number, for the words of both. */
const mixed = shader({
  name: "mixed",
  bindings: { x: "read u32", out: "write u32" },
  uniforms: { number: "u32" },
  code: "",
});
const mix: Program = (u, [x, out]) => {
  const { length } = x;
  for (let i = 0; i < Math.min(length, out.length); i++) out[i] = 3 * out[i] + x[i] + u.getUint32(0, true);
};
const faulty = shader({
  name: "faulty",
  bindings: { x: "read u32" },
  uniforms: { a: "u32", b: "u32", c: "u32", d: "u32", e: "u32" },
  faults: true,
  code: "",
});
const report: Program = (u, [x, faults]) => {
  faults[0] = x[0] + u.getUint32(16, true);
};

const slabBytes = 16384;

function made(facts: FakeFacts = {}, count = 3) {
  const { device, counts } = fakeDevice({ mixed: mix, faulty: report }, facts);
  const faults = device.createBuffer({ size: 16, usage: 0 });
  const recorder = new Recorder(device, new Pipelines(device, new LateErrors(device)), faults);
  const slabs = Array.from({ length: count }, (_, id): Slab => {
    const buffer = device.createBuffer({ size: slabBytes, usage: 0 });
    return { id, buffer, bytes: slabBytes, lastBatch: -1 };
  });
  const tensor = (id: number, window?: GpuTensor["window"]): GpuTensor => ({
    ...{ shape: [slabBytes / 4], dtype: "i32", size: slabBytes / 4, window },
    buffer: { slab: slabs[id], bytes: slabBytes, freed: false },
  });
  const run = (x: GpuTensor, out: GpuTensor, number = 1) =>
    recorder.dispatch(mixed.dispatch({ x, out }, { number }, [1, 1, 1]));
  const words = (id: number) => new Uint32Array((slabs[id].buffer as unknown as { bytes: Uint8Array }).bytes.buffer);
  const faultWords = () => new Uint32Array((faults as unknown as { bytes: Uint8Array }).bytes.buffer);
  return { recorder, counts, slabs, tensor, run, words, faultWords };
}

describe("a run of a kernel", () => {
  it("is done when the batch is handed over, with its own numbers", () => {
    const { recorder, counts, run, tensor, words } = made();
    for (const number of [1, 2, 3]) run(tensor(0), tensor(1), number);
    expect([counts.submits, words(1)[0]]).toEqual([0, 0]);
    recorder.flush();
    expect([counts.submits, words(1)[0]]).toEqual([1, 9 + 6 + 3]);
    recorder.flush();
    expect(counts.submits).toBe(1);
    expect(recorder.stats).toEqual({ dispatches: 3, bytes: 6 * slabBytes, submits: 1 });
  });

  it("is followed by small writes in its batch, as long as the batch has room for them", () => {
    const { recorder, counts, slabs, tensor, run } = made();
    const write = (length: number) => {
      const before = counts.submits;
      recorder.write(slabs[0], new Uint8Array(length), 0);
      return counts.submits - before;
    };
    run(tensor(0), tensor(1));
    expect([write(8192), write(8196)]).toEqual([0, 1]);
    // The numbers of 128 runs and 64 KiB have room; a run takes 256 bytes.
    run(tensor(0), tensor(1));
    for (let i = 0; i < 11; i++) expect(write(8192)).toBe(0);
    expect([write(7936), write(4)]).toEqual([0, 1]);
  });

  it("without workgroups is none", () => {
    const { recorder, tensor, counts } = made();
    for (const groups of [
      [0, 1, 1],
      [1, 0, 1],
      [1, 1, 0],
    ] as const) {
      recorder.dispatch(mixed.dispatch({ x: tensor(0), out: tensor(1) }, { number: 1 }, groups));
    }
    recorder.flush();
    expect([recorder.stats.dispatches, counts.submits]).toEqual([0, 0]);
  });

  it("may read a buffer twice, but not write to one that it was given twice", () => {
    const { recorder, tensor, run } = made();
    const twice = 'webgpu: the kernel "mixed" writes to a buffer that is bound twice; write to a separate tensor';
    expect(() => run(tensor(1), tensor(1))).toThrow(twice);
    expect(() => run(tensor(1, { offset: 0, bytes: 256 }), tensor(1, { offset: 256, bytes: 256 }))).toThrow(twice);
    const reads = shader({ name: "reads", bindings: { x: "read u32", y: "read u32" }, uniforms: {}, code: "" });
    recorder.dispatch(reads.dispatch({ x: tensor(1), y: tensor(1) }, {}, [1, 1, 1]));
    expect(recorder.stats.dispatches).toBe(1);
  });

  it("sees the windows of its tensors", () => {
    const { recorder, tensor, run, words } = made();
    words(0).fill(5);
    run(tensor(0, { offset: 512, bytes: 16 }), tensor(1, { offset: 256, bytes: 32 }), 2);
    recorder.flush();
    // Four words, from the 64th on.
    expect([63, 64, 67, 68].map((i) => words(1)[i])).toEqual([0, 7, 7, 0]);
    expect(recorder.stats.bytes).toBe(48);
  });

  it("is given the buffer of faults behind its tensors", () => {
    const { recorder, tensor, words, faultWords } = made();
    words(0)[0] = 40;
    recorder.dispatch(faulty.dispatch({ x: tensor(0) }, { a: 1, b: 1, c: 1, d: 1, e: 2 }, [1, 1, 1]));
    recorder.flush();
    expect(faultWords()[0]).toBe(42);
  });

  it("shares its bind group with runs on the same memory", () => {
    const { recorder, tensor, run, counts, slabs } = made();
    for (let i = 0; i < 5; i++) run(tensor(0), tensor(1));
    expect(counts.bindGroups).toBe(1);
    run(tensor(0), tensor(2));
    run(tensor(0, { offset: 0, bytes: 256 }), tensor(1));
    run(tensor(0, { offset: 256, bytes: 256 }), tensor(1));
    run(tensor(0, { offset: 256, bytes: 512 }), tensor(1));
    expect(counts.bindGroups).toBe(5);
    recorder.flush();
    run(tensor(0), tensor(1));
    expect(counts.bindGroups).toBe(5);
    recorder.beforeDestroy([slabs[2]]);
    run(tensor(0), tensor(1));
    expect(counts.bindGroups).toBe(6);
  });
});

describe("a batch", () => {
  it.each([256, 64, 32])("holds many runs, and no more than its uniforms have room for: %i bytes each", (align) => {
    const { recorder, tensor, run, words, counts } = made({ limits: { minUniformBufferOffsetAlignment: align } });
    let expected = 0;
    for (let i = 0; i < 1000; i++) {
      run(tensor(0), tensor(1), i);
      expected = (Math.imul(3, expected) + i) >>> 0;
    }
    recorder.flush();
    expect(words(1)[7]).toBe(expected);
    expect(Math.max(...counts.runs)).toBeGreaterThan(99);
    expect(counts.runs.length).toBeGreaterThan(4);
    expect(recorder.stats.submits).toBe(counts.submits);
  });

  it("is handed over before buffers are destroyed that it uses", () => {
    const { recorder, run, tensor, slabs, counts } = made();
    run(tensor(0), tensor(1));
    recorder.beforeDestroy([slabs[2]]);
    expect(counts.submits).toBe(0);
    recorder.beforeDestroy([slabs[2], slabs[0]]);
    expect(counts.submits).toBe(1);
    // The batch that used them has been submitted.
    recorder.beforeDestroy([slabs[0]]);
    run(tensor(1), tensor(2));
    recorder.beforeDestroy([slabs[0]]);
    expect(counts.submits).toBe(1);
  });
});

describe("a write by the host", () => {
  const bytes = (length: number, value: number) => new Uint8Array(length).fill(value);

  it("is done at once where nothing that was recorded uses the memory", () => {
    const { recorder, slabs, words, run, tensor } = made();
    run(tensor(0), tensor(1));
    recorder.write(slabs[2], bytes(8, 1), 4);
    expect(Array.from(words(2).subarray(0, 4))).toEqual([0, 0x01010101, 0x01010101, 0]);
    recorder.flush();
    // The batch has been submitted, so the write is immediate.
    recorder.write(slabs[1], bytes(4, 2), 0);
    expect(words(1)[0]).toBe(0x02020202);
  });

  it("of few bytes joins the batch that uses the memory, and of many comes behind it", () => {
    for (const [length, submits] of [
      [4, 0],
      [8192, 0],
      [8196, 1],
    ]) {
      const { recorder, slabs, words, run, tensor, counts } = made();
      run(tensor(0), tensor(1), 5);
      recorder.write(slabs[0], bytes(length, 1), 0);
      expect(counts.submits, `${length}`).toBe(submits);
      run(tensor(0), tensor(1), 6);
      recorder.flush();
      // The first dispatch has read zeros.
      expect(words(1)[0]).toBe(15 + 0x01010101 + 6);
      expect(words(0)[length / 4 - 1]).toBe(0x01010101);
      expect(words(0)[length / 4]).toBe(0);
    }
  });

  it("has the order of all other commands, in any mixture", () => {
    let state = 1;
    const below = (n: number): number => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * n);
    };
    for (const align of [256, 32]) {
      const { recorder, slabs, words, run, tensor } = made({ limits: { minUniformBufferOffsetAlignment: align } }, 4);
      const model = slabs.map(() => new Uint32Array(slabBytes / 4));
      for (let step = 0; step < 600; step++) {
        const [from, to] = [below(4), below(4)];
        const kind = below(100);
        const start = 64 * below(slabBytes / 256);
        const length = Math.min([1, 3, 200, 2048, 2049, 4096][below(6)], slabBytes / 4 - start);
        if (kind < 35) {
          if (from === to) continue;
          const window = { offset: 4 * start, bytes: 4 * Math.min(length, 50) };
          run(tensor(from, window), tensor(to, window), step);
          for (let i = start; i < start + Math.min(length, 50); i++) {
            model[to][i] = Math.imul(3, model[to][i]) + model[from][i] + step;
          }
        } else if (kind < 90) {
          recorder.write(slabs[to], bytes(4 * length, step), 4 * start);
          model[to].fill((step & 255) * 0x01010101, start, start + length);
        } else if (kind < 98) {
          if (from === to) continue;
          recorder.flush();
          recorder.copy(slabs[from].buffer as GPUBuffer, 4 * start, slabs[to].buffer as GPUBuffer, 0, 4 * length);
          model[to].set(model[from].slice(start, start + length));
          recorder.flush();
        } else recorder.flush();
      }
      recorder.flush();
      for (const [id, expected] of model.entries())
        expect(words(id).every((word, i) => word === expected[i])).toBe(true);
    }
  });
});
