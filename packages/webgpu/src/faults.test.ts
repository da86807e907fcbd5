import { crossEntropy, embedding, gather, indexSelect, quantize4bit, type Tensor, tensor } from "@lowrank/core";
import { noWebGpu } from "@lowrank/test-support/webgpu";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type WebGpuBackend, webgpu } from "./index.ts";

describe.skipIf(noWebGpu)("faults in the data", () => {
  let backend: WebGpuBackend;
  beforeAll(async () => {
    backend = await webgpu();
  });
  afterAll(() => backend?.dispose());

  const ids = (...values: number[]): Tensor => tensor(values, { dtype: "i32", backend });
  const table = (): Tensor => tensor([[1], [2], [3]], { backend });

  it("come at the next read, the first op's first, in its words; then all goes on", async () => {
    const fine = tensor([3], { backend });
    embedding(table(), ids(0, 1, 7, -2));
    indexSelect(table(), ids(99), { dim: 0 });
    await expect(fine.data()).rejects.toThrow("embedding: id 7 at position 2 is outside the table of 3 rows (0..2)");
    expect(Array.from(await fine.data())).toEqual([3]);
    indexSelect(table(), ids(99), { dim: 0 });
    await expect(backend.sync()).rejects.toThrow("indexSelect: index 99 is out of range for 3 entries; use 0..2");
    await backend.sync();
  });

  it("are found at the first index past the end", async () => {
    indexSelect(table(), ids(2, 3), { dim: 0 });
    await expect(backend.sync()).rejects.toThrow("indexSelect: index 3 is out of range for 3 entries; use 0..2");
    gather(tensor([1, 2, 3], { backend }), ids(2, 3), { dim: 0 });
    await expect(backend.sync()).rejects.toThrow("gather: index 3 is out of range for 3 entries");
    embedding(table(), ids(2, 3));
    await expect(backend.sync()).rejects.toThrow("embedding: id 3 at position 1 is outside the table of 3 rows");
    crossEntropy(tensor([[1, 2]], { backend }), ids(2));
    await expect(backend.sync()).rejects.toThrow("crossEntropy: label 2 at position 0 is none of the 2 classes");
  });

  it("know negative indices, labels and broken weights", async () => {
    gather(tensor([1, 2, 3], { backend }), ids(1, -5), { dim: 0 });
    await expect(backend.sync()).rejects.toThrow("gather: index -5 is out of range for 3 entries");
    crossEntropy(tensor([[1, 2]], { backend }), ids(9));
    await expect(backend.sync()).rejects.toThrow("crossEntropy: label 9 at position 0 is none of the 2 classes (0..1)");
    const broken = (...values: number[]) => tensor([...new Array(64).fill(1), ...values], { backend });
    quantize4bit(broken(1, Number.NaN), {});
    await expect(backend.sync()).rejects.toThrow("the elements 64 to 127 hold a NaN or an infinity");
    quantize4bit(broken(3e38, ...new Array(63).fill(3e38), 3e38), { doubleQuant: true });
    await expect(backend.sync()).rejects.toThrow("the mean of the scales is Infinity");
  });

  it("name a kernel that does not compile, and the line", async () => {
    const { kernel, shader, entry } = await import("./index.ts");
    const { defineOp } = await import("@lowrank/core");
    const { definition } = defineOp<1>({ name: "webgpuTest/broken", arity: 1, shape: ([x]) => x });
    const broken = shader({
      name: "broken",
      bindings: { x: "read f32", out: "write f32" },
      uniforms: {},
      code: entry(64, "  out[index] = x[index] + 1u;"),
    });
    const own = kernel<{ definition: typeof definition }>("webgpuTest/broken", ([x], [out]) => [
      broken.dispatch({ x, out }, {}, [1, 1, 1]),
    ]);
    const second = await webgpu({ kernels: [own] });
    const x = tensor([1], { backend: second });
    const { Tensor: Made } = await import("@lowrank/core");
    expect(x).toBeInstanceOf(Made);
    second.run(definition, [x], [tensor([0], { backend: second })], undefined);
    await expect(x.data()).rejects.toThrow(/webgpu: the kernel "broken" does not compile: line \d+:\d+: .*1u/);
    second.dispose();
  });
});
