import { type Shape, sizeOf } from "@lowrank/core/backend";
import { describe, expect, it } from "vitest";
import type { GpuTensor } from "../kernel/kernel.ts";
import { byBroadcast, byElement, byOuter, byRow } from "../kernel/split.ts";
import { bytesSeen } from "../wgsl/window.ts";
import { cutCall } from "./cutCall.ts";

function tensorOf(...shape: number[]): GpuTensor {
  const size = sizeOf(shape);
  const slab = { id: 0, buffer: {} as never, bytes: 4 * size, lastBatch: -1 };
  return { shape, dtype: "f32", size, buffer: { bytes: 4 * size, slab, freed: false } };
}
const spec = (...shape: number[]) => ({ shape, dtype: "f32" }) as const;
const shapes = (tensors: readonly { shape: Shape }[]) => tensors.map(({ shape }) => shape);

describe("how a call may be cut", () => {
  it("number by number, where tensors have one size", () => {
    expect(byElement([spec(20, 30), spec(1)], [spec(20, 30)])).toEqual({
      ...{ rows: 600, inputs: [true, false], outputs: [true] },
    });
    // An in-place step has an empty list of results.
    expect(byElement([spec(1), spec(9, 2)], [])).toEqual({ rows: 18, inputs: [false, true], outputs: [] });
    expect(byElement([spec(1)], [spec(1)])).toEqual({ rows: 1, inputs: [false], outputs: [false] });
  });

  it("row by row, where vectors stay whole", () => {
    expect(byRow([spec(4, 5, 6), spec(6)], [spec(4, 5, 6)])).toEqual({
      ...{ rows: 20, inputs: [true, false], outputs: [true] },
    });
    expect(byRow([spec(2, 6), spec(6)], [spec(2, 6)])).toEqual({ rows: 2, inputs: [true, false], outputs: [true] });
    // A vector is not cut, even if its length equals the number of rows.
    expect(byRow([spec(6, 6), spec(6)], [spec(6, 6), spec(6)])).toEqual({
      ...{ rows: 6, inputs: [true, false], outputs: [true, false] },
    });
    expect(byRow([spec(6)], [spec(6)])).toEqual({ rows: 1, inputs: [false], outputs: [false] });
  });

  it("before a dimension", () => {
    const [x, y] = [spec(4, 5, 6), spec(4, 5, 2)];
    expect(byOuter([x, y], [x], { dim: 2 })).toEqual({ rows: 20, inputs: [true, true], outputs: [true] });
    expect(byOuter([x, y], [x], { dim: 1 })).toEqual({ rows: 4, inputs: [true, true], outputs: [true] });
    expect(byOuter([x, y], [x], { dim: -1 })).toEqual({ rows: 20, inputs: [true, true], outputs: [true] });
    // The default dimension is 0, which has no dimensions before it.
    expect(byOuter([x], [x], {})).toEqual({ rows: 1, inputs: [false], outputs: [false] });
  });

  it("by the first dimension of what is broadcast", () => {
    expect(byBroadcast([spec(8, 3, 2), spec(2), spec(8, 1, 1)], [spec(8, 3, 2)])).toEqual({
      ...{ rows: 8, inputs: [true, false, true], outputs: [true] },
    });
    expect(byBroadcast([spec(8, 3), spec(8, 3)], [spec(8, 3)])).toEqual({
      ...{ rows: 24, inputs: [true, true], outputs: [true] },
    });
  });
});

describe("the parts of a call", () => {
  const x = tensorOf(8, 16, 64);
  const w = tensorOf(64);
  const call = { inputs: [x, w], outputs: [tensorOf(8, 16, 64), tensorOf(8, 16)], params: { from: -1 } };
  const split = { rows: 128, inputs: [true, false], outputs: [true, true] };

  it("are the call, where its tensors fit or none can be cut", () => {
    expect(cutCall(() => split, call, 4 * x.size)).toEqual([call]);
    expect(cutCall(undefined, call, 4096)).toEqual([call]);
    expect(cutCall(() => undefined, call, 4096)).toEqual([call]);
    expect(cutCall(() => ({ ...split, rows: 1 }), call, 4096)).toEqual([call]);
    expect(cutCall(() => ({ rows: 128, inputs: [false, false], outputs: [false, false] }), call, 4096)).toEqual([call]);
  });

  it("have some rows of what is cut, and the other tensors as they are", () => {
    const parts = cutCall(() => split, call, 16384 + 16);
    // A row of the second result takes 4 bytes, so rows are cut at multiples of 64.
    expect(parts.map(({ inputs }) => inputs[0].shape)).toEqual([
      [64, 1, 64],
      [64, 1, 64],
    ]);
    for (const [i, { inputs, outputs, params }] of parts.entries()) {
      expect(inputs[1]).toBe(w);
      expect(params).toBe(call.params);
      expect(shapes(outputs)).toEqual([
        [64, 1, 64],
        [64, 1],
      ]);
      expect(outputs.map(({ window }) => window?.offset)).toEqual([i * 16384, i * 256]);
      for (const tensor of [inputs[0], ...outputs]) expect(bytesSeen(tensor)).toBeLessThanOrEqual(16384 + 16);
    }
  });

  it("have parameters by the row that they begin with", () => {
    const parts = cutCall(() => ({ ...split, paramsFrom: (from: number) => ({ from }) }), call, 16384 + 16);
    expect(parts.map(({ params }) => params)).toEqual([{ from: 0 }, { from: 64 }]);
  });

  it("keep dimensions behind those that are cut", () => {
    const long = { inputs: [tensorOf(128, 4, 16)], outputs: [tensorOf(128, 4, 16)], params: 0 };
    const parts = cutCall(() => ({ rows: 128, inputs: [true], outputs: [true] }), long, 16384 + 16);
    expect(parts.map(({ inputs }) => inputs[0].shape)).toEqual([
      [64, 4, 16],
      [64, 4, 16],
    ]);
  });
});
