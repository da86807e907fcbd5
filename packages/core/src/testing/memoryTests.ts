import type { Backend } from "../backends/backend.ts";
import { sync } from "../backends/backend.ts";
import { full } from "../creation/create.ts";
import { tensor } from "../creation/makeTensor.ts";
import { scope } from "../engine/scope.ts";
import { memory } from "../engine/storage.ts";
import type { Tensor } from "../engine/tensor.ts";
import type { DType } from "../layout/dtype.ts";
import * as ops from "../ops/index.ts";
import { expectClose } from "./expectClose.ts";

interface MemoryTest {
  readonly name: string;
  readonly run: () => Promise<void>;
}

/**
 * Returns tests of what ops need from a backend's memory: that fills, writes and reads happen in order, and that errors
 * in data are reported.
 */
export function memoryTests(backend: Backend): MemoryTest[] {
  const bytesOf = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer);
  const double = (x: Tensor) => ops.affine(x, { scale: 2 });
  const make = (values: readonly number[]) => tensor(values, { backend });

  async function fills(): Promise<void> {
    const expected: [DType, number][] = [
      ["f32", -2.5],
      ["f16", -2.5],
      ["bf16", -2.5],
      ["i32", -3],
      ["u8", 7],
      ["bool", 1],
    ];
    for (const [dtype, value] of expected) {
      for (const size of [0, 1, 5]) await holds(full([size], value, { dtype, backend }), new Array(size).fill(value));
    }
  }

  async function writesInOrder(): Promise<void> {
    using x = make([1, 2, 3]);
    const before = double(x);
    const bytes = bytesOf(9);
    backend.write(x.storage.buffer, bytes, 4);
    bytes.fill(0);
    const after = double(x);
    backend.fill(x.storage.buffer, 0);
    await holds(before, [2, 4, 6]);
    await holds(after, [2, 18, 6]);
    await holds(double(x), [0, 0, 0]);
  }

  async function readsPart(): Promise<void> {
    using x = make([1, 2, 3, 4]);
    const part = await backend.read(x.storage.buffer, 4, 12);
    const values = new Float32Array(part.slice().buffer);
    expectClose("bytes 4 to 12", { shape: [values.length], data: values }, { shape: [2], data: [2, 3] }, 0);
  }

  async function readsFreed(): Promise<void> {
    const x = make([1, 2, 3]);
    const y = double(x);
    x.dispose();
    using other = full([3], 100, { backend });
    await holds(y, [2, 4, 6]);
    await holds(double(other), [200, 200, 200]);
  }

  async function joinsMany(): Promise<void> {
    const values = Array.from({ length: 23 }, (_, i) => i);
    const [joined, norm] = scope(() => {
      const parts = values.map((value) => make([value]));
      return [ops.cat(...parts, { dim: 0 }), ops.gradNorm(...parts)];
    });
    await holds(joined, values);
    await holds(norm, [Math.hypot(...values)]);
  }

  async function tellsOfBadData(): Promise<void> {
    using x = make([1, 2, 3]);
    using index = tensor([0, 99], { dtype: "i32", backend });
    let error: unknown;
    try {
      using y = ops.indexSelect(x, index, { dim: 0 });
      await sync(backend);
      await y.data();
    } catch (thrown) {
      error = thrown;
    }
    if (!(error instanceof Error && error.message.includes("99"))) {
      throw new Error(`an index of 99 into 3 entries must be an error that names it, got ${error}`);
    }
    await holds(double(x), [2, 4, 6]);
  }

  const leavesNothing = (test: () => Promise<void>) => async () => {
    const before = memory().buffers;
    await test();
    const left = memory().buffers - before;
    if (left !== 0) throw new Error(`${left} buffers were not freed`);
  };

  return Object.entries({
    "fills buffers of every dtype": fills,
    "shows writes and fills to later ops only": writesInOrder,
    "reads a part of a buffer": readsPart,
    "runs an op whose input is freed right after the call": readsFreed,
    "takes more tensors than one call may": joinsMany,
    "tells of an index out of range by the next read, and goes on": tellsOfBadData,
  }).map(([name, test]) => ({ name: `memory: ${name}`, run: leavesNothing(test) }));
}

/** Throws unless a tensor has the values `data`. Frees the tensor. */
async function holds(t: Tensor, data: readonly number[]): Promise<void> {
  const [shape, actual] = [t.shape, await t.data()];
  t.dispose();
  expectClose("the tensor", { shape, data: actual }, { shape, data }, 1e-6);
}
