import { describe, expect, it } from "vitest";
import { add, crossEntropy, embedding, exp, memory, reference, slice, type Tensor, tensor } from "../index.ts";
import { deferred } from "./deferred.ts";
import { primitives } from "./primitiveKernels.ts";

const on = (values: number[], backend = deferred()): Tensor => tensor(values, { backend });
const numbers = async (t: Tensor): Promise<number[]> => Array.from(await t.data());

describe("deferred", () => {
  it("lets later ops alone see what is written", async () => {
    const x = on([1, 2]);
    const { backend, buffer } = x.storage;
    const before = add(x, x);
    const bytes = new Uint8Array(Float32Array.of(5, 6).buffer);
    backend.write(buffer, bytes);
    bytes.fill(0);
    expect(await numbers(add(x, x))).toEqual([10, 12]);
    expect(await numbers(before)).toEqual([2, 4]);
  });

  it("takes parameters as they were when the op was called", async () => {
    const params = { start: 1 };
    const rest = slice(on([1, 2, 3]), params);
    params.start = 0;
    expect(await numbers(rest)).toEqual([2, 3]);
  });

  it("has no synchronous reads", () => {
    expect(() => on([1]).dataSync()).toThrow("dataSync: the deferred backend reads asynchronously; use await data()");
  });

  it("tells of bad data at the next read, in the op's words, and then goes on", async () => {
    const backend = deferred();
    const ids = tensor([0, 7], { dtype: "i32", backend });
    const rows = embedding(tensor([[1], [2]], { backend }), ids);
    const fine = on([3], backend);
    await expect(fine.data()).rejects.toThrow("embedding: id 7 at position 1 is outside the table of 2 rows (0..1)");
    expect(await numbers(fine)).toEqual([3]);
    rows.dispose();
    const labels = tensor([1, 9], { dtype: "i32", backend });
    const loss = crossEntropy(
      tensor(
        [
          [1, 2],
          [3, 4],
        ],
        { backend },
      ),
      labels,
    );
    await expect(loss.data()).rejects.toThrow("crossEntropy: label 9 at position 1 is none of the 2 classes (0..1)");
  });
});

describe.each([deferred(), primitives()])("$name", (backend) => {
  it("refuses buffers that were freed, at the call", () => {
    const x = on([1, 2], backend);
    const { buffer } = x.storage;
    const y = on([3, 4], backend);
    x.dispose();
    const ref = { buffer, shape: [2], dtype: "f32" } as const;
    expect(() => backend.run(exp.definition, [ref], [y], undefined)).toThrow(
      `${backend.name}: exp uses a buffer of 8 bytes that was freed before`,
    );
    expect(() => backend.read(buffer)).toThrow("read uses a buffer of 8 bytes that was freed before");
    expect(() => backend.free(buffer)).toThrow("free uses a buffer of 8 bytes that was freed before");
  });
});

describe("primitives", () => {
  it("tells of bad labels in the words of the op that was called", () => {
    const backend = primitives();
    const before = memory().buffers;
    const [logits, labels] = [tensor([[1, 2]], { backend }), tensor([-3], { dtype: "i32", backend })];
    expect(() => crossEntropy(logits, labels)).toThrow(
      "crossEntropy: label -3 at position 0 is none of the 2 classes (0..1) and not ignoreIndex -100",
    );
    for (const t of [logits, labels]) t.dispose();
    expect(memory().buffers).toBe(before);
  });
});

it("the reference fills freed memory with NaN", () => {
  const backend = reference();
  const x = on([1, 2], backend);
  const { buffer } = x.storage;
  x.dispose();
  expect(Array.from(new Float32Array((backend.read(buffer) as Uint8Array).buffer))).toEqual([Number.NaN, Number.NaN]);
});
