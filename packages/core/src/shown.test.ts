import { beforeAll, describe, expect, it } from "vitest";
import * as core from "./index.ts";
import { deferred } from "./testing/index.ts";

beforeAll(async () => {
  await core.init(core.reference());
});

const { tensor } = core;
const column = (count: number) => Float32Array.from({ length: count }, (_, i) => i);

describe("a tensor as text", () => {
  it.each<[string, () => core.Tensor, string]>([
    ["a number", () => tensor(1.5), "tensor(1.5000, f32 [])"],
    ["integers", () => tensor([1, -20, 3], { dtype: "i32" }), "tensor([  1, -20,   3], i32 [3])"],
    ["whole floats", () => tensor([[1, 2], [3, 4]]), "tensor([[1, 2],\n        [3, 4]], f32 [2,2])"], // biome-ignore format: rows
    ["fractions", () => tensor([0.25, -12.5]), "tensor([  0.2500, -12.5000], f32 [2])"],
    ["half precision", () => tensor([0.5], { dtype: "bf16" }), "tensor([0.5000], bf16 [1])"],
    ["large and small", () => tensor([1e10, 1e-10]), "tensor([1.0000e+10, 1.0000e-10], f32 [2])"],
    ["special numbers", () => tensor([NaN, Infinity, -Infinity]), "tensor([ nan,  inf, -inf], f32 [3])"],
    ["booleans", () => tensor([true, false]).gt(0.5), "tensor([ true, false], bool [2])"],
    ["nothing", () => core.zeros(0, 3), "tensor([], f32 [0,3])"],
    ["many", () => tensor(column(2000)), "tensor([   0,    1,    2, ..., 1997, 1998, 1999], f32 [2000])"],
    [
      "many rows",
      () => tensor(column(2000), { shape: [200, 10] }),
      [
        "tensor([[   0,    1,    2, ...,    7,    8,    9],",
        "        [  10,   11,   12, ...,   17,   18,   19],",
        "        [  20,   21,   22, ...,   27,   28,   29],",
        "        ...,",
        "        [1970, 1971, 1972, ..., 1977, 1978, 1979],",
        "        [1980, 1981, 1982, ..., 1987, 1988, 1989],",
        "        [1990, 1991, 1992, ..., 1997, 1998, 1999]], f32 [200,10])",
      ].join("\n"),
    ],
    [
      "three dimensions",
      () => tensor([[[1], [2]], [[3], [4]]]), // biome-ignore format: rows
      "tensor([[[1],\n         [2]],\n\n        [[3],\n         [4]]], f32 [2,2,1])",
    ],
    ["a leaf", () => tensor([1], { requiresGrad: true }), "tensor([1], f32 [1], requiresGrad)"],
    [
      "a long row",
      () => tensor(Array.from({ length: 40 }, (_, i) => 100 + i)),
      [
        "tensor([100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111, 112, 113,",
        "        114, 115, 116, 117, 118, 119, 120, 121, 122, 123, 124, 125, 126, 127,",
        "        128, 129, 130, 131, 132, 133, 134, 135, 136, 137, 138, 139], f32 [40])",
      ].join("\n"),
    ],
  ])("%s", (_name, make, text) => {
    expect(String(make())).toBe(text);
  });

  it("has no values where they cannot be read at once, were freed, or are packed", () => {
    expect(String(tensor([1, 2], { backend: deferred() }))).toBe("tensor(f32 [2], values: await t.data())");
    expect(String(core.zeros([0], { backend: deferred() }))).toBe("tensor([], f32 [0])");
    expect(String(core.meta().tensor({ shape: [2], dtype: "f32" }))).toBe("tensor(f32 [2], no values)");
    const freed = tensor([1]);
    freed.dispose();
    expect(String(freed)).toBe("tensor(f32 [1], freed)");
    const packed = core.quantize4bit(core.ones(2, 64), {});
    expect(String(packed)).toBe('tensor(nf4 [2,64], values: await t.to("f32").data())');
  });

  it("reads only what it shows", () => {
    const read: number[] = [];
    const backend = new Proxy(core.reference(), {
      get: (target, key) => {
        if (key !== "read") return Reflect.get(target, key, target);
        return (...[buffer, from = 0, to = buffer.bytes]: Parameters<core.Backend["read"]>) => {
          read.push(to - from);
          return target.read(buffer, from, to);
        };
      },
    });
    expect(String(core.zeros(1000, 1000, { backend }))).toContain("...");
    expect(read.reduce((sum, bytes) => sum + bytes, 0)).toBe(6 * 6 * 4);
  });

  const inspect = globalThis.process?.getBuiltinModule?.("node:util")?.inspect;

  it.runIf(inspect)("is what Node's console shows", () => {
    expect(inspect?.({ x: tensor([1]) })).toBe("{ x: tensor([1], f32 [1]) }");
  });

  it.skipIf(inspect)("is what a browser's console shows by custom formatters, and unfolds to its properties", () => {
    type Formatter = {
      header(value: unknown, config?: object): unknown[] | null;
      body(value: unknown): [string, object];
    };
    const { devtoolsFormatters } = globalThis as unknown as { devtoolsFormatters: Formatter[] };
    const t = tensor(column(2000));
    const shown = (value: unknown, config?: object) =>
      devtoolsFormatters.map((formatter) => formatter.header(value, config)).find((header) => header !== null);
    expect(shown(t)?.[2]).toBe("tensor([   0,    1,    2, ..., 1997, 1998, 1999], f32 [2000])");
    const [, { object, config }] = devtoolsFormatters[0].body(t) as [string, { object: unknown; config: object }];
    expect(object).toBe(t);
    expect(shown(object, config)).toBe(undefined);
    expect([shown({}), shown(1), shown(null)]).toEqual([undefined, undefined, undefined]);
  });
});

describe("values out of a tensor", () => {
  it("toArray nests them, and tensor takes them back", async () => {
    const nested = [[[1, 2]], [[3, 4]]];
    expect(await tensor(nested).toArray()).toEqual(nested);
    expect(await tensor(5).toArray()).toBe(5);
    expect(await tensor([1, 0], { dtype: "bool" }).toArray()).toEqual([true, false]);
    expect(await core.zeros(2, 0).toArray()).toEqual([[], []]);
  });

  it("size is the number of elements", () => {
    expect([tensor(5).size, tensor([[1, 2, 3]]).size, core.zeros(2, 0).size]).toEqual([1, 3, 0]);
  });

  it("data(dtype) has the array's type, and throws for another dtype", async () => {
    const ids: Int32Array = await tensor([1, 2], { dtype: "i32" }).data("i32");
    const floats: Float32Array = tensor([0.5], { dtype: "f16" }).dataSync("f16");
    expect([...ids, ...floats]).toEqual([1, 2, 0.5]);
    await expect(tensor([1]).data("i32")).rejects.toThrow(
      'data: the tensor [1] is f32, not i32; convert it first, with to("i32")',
    );
    expect(() => tensor([1]).dataSync("float32" as never)).toThrow(
      'dataSync: dtype "float32" is named "f32" in Lowrank',
    );
  });
});

describe("the text of a tensor", () => {
  const rowOf = (count: number, value = 1) => tensor(new Float32Array(count).fill(value));

  it("is shortened from 1001 elements on", () => {
    expect(String(rowOf(1000))).not.toContain("...");
    expect(String(rowOf(1001))).toBe("tensor([1, 1, 1, ..., 1, 1, 1], f32 [1001])");
  });

  it("leaves out what is between three at both ends of a dimension of more than six", () => {
    const text = (shape: number[]) => String(tensor(new Float32Array(shape.reduce((a, b) => a * b)), { shape }));
    expect(text([6, 200]).split("\n").length).toBe(6);
    expect(text([7, 200]).split("\n")[3]).toBe("        ...,");
    expect(text([200, 6]).split("\n")[0]).toBe("tensor([[0, 0, 0, 0, 0, 0],");
    expect(text([200, 7]).split("\n")[0]).toBe("tensor([[0, 0, 0, ..., 0, 0, 0],");
  });

  it("takes the values of short and long rows from their places", () => {
    for (const columns of [2, 3, 4, 5, 6, 7, 8, 9, 10]) {
      const text = String(tensor(column(1210 * columns), { shape: [1210, columns] }));
      const at = (row: number) => Array.from({ length: columns }, (_, i) => row * columns + i);
      const shown = (row: number) => (columns > 6 ? [...at(row).slice(0, 3), ...at(row).slice(-3)] : at(row));
      const found = text.split(", f32")[0].match(/\d+/g)?.map(Number);
      expect(found).toEqual([0, 1, 2, 1207, 1208, 1209].flatMap(shown));
    }
  });

  it("is read from memory at any address", () => {
    const host = core.reference();
    const backend = new Proxy(host, {
      get: (target, key) => {
        if (key !== "read") return Reflect.get(target, key, target);
        return (...args: Parameters<core.Backend["read"]>) => {
          const bytes = target.read(...args) as Uint8Array;
          const moved = new Uint8Array(bytes.length + 1);
          moved.set(bytes, 1);
          return moved.subarray(1);
        };
      },
    });
    expect(String(tensor([1, 2.5], { backend }))).toBe("tensor([1.0000, 2.5000], f32 [2])");
    expect(String(tensor([1, 2.5], { dtype: "bf16", backend }))).toBe("tensor([1.0000, 2.5000], bf16 [2])");
  });

  it("takes values of the right places of the last dimension", () => {
    const text = String(tensor(column(3 * 400), { shape: [3, 400] }));
    expect(text.split("\n")).toEqual([
      "tensor([[   0,    1,    2, ...,  397,  398,  399],",
      "        [ 400,  401,  402, ...,  797,  798,  799],",
      "        [ 800,  801,  802, ..., 1197, 1198, 1199]], f32 [3,400])",
    ]);
  });

  it("breaks lines of more than 80 characters", () => {
    const counts = (...shape: number[]) =>
      String(core.full(shape, 1000000))
        .split("\n")
        .map((line) => line.match(/1000000/g)?.length);
    // With the comma after it, the eighth entry ends at column 80, and then at 81.
    expect(counts(1, 9)).toEqual([8, 1]);
    expect(counts(1, 1, 9)).toEqual([7, 2]);
    // The last entry has no comma after it.
    expect(counts(1, 1, 8)).toEqual([8]);
    expect(counts(1, 1, 1, 8)).toEqual([7, 1]);
    expect(String(core.full([1, 9], 1000000)).split("\n")[1]).toBe("         1000000]], f32 [1,9])");
  });

  it("has exponents below 1e-4 and from 1e8 on", () => {
    const text = (...values: number[]) => /\[(.*?)\]/.exec(String(tensor(values)))?.[1];
    expect(text(99999992)).toBe("99999992");
    expect(text(1e8)).toBe("1.0000e+8");
    expect(text(0.5, 99999992)).toBe("       0.5000, 99999992.0000");
    expect(text(0.5, 1e8)).toBe("5.0000e-1, 1.0000e+8");
    expect(text(0.00011)).toBe("0.0001");
    expect(text(0.00009)).toBe("9.0000e-5");
    expect(text(2 ** -13, 0)).toBe("0.0001, 0.0000");
    expect(text(0, -0, 1)).toBe(" 0, -0,  1");
    expect(text(1.5, Number.NaN, Infinity)).toBe("1.5000,    nan,    inf");
    expect(text(1, -Infinity)).toBe("   1, -inf");
  });

  it("has rows apart by as many lines as dimensions begin", () => {
    const text = String(tensor(column(8), { shape: [2, 2, 1, 2] }));
    expect(text).toBe(
      "tensor([[[[0, 1]],\n\n         [[2, 3]]],\n\n\n        [[[4, 5]],\n\n         [[6, 7]]]], f32 [2,2,1,2])",
    );
  });

  it("is that of the values in half precision and in bytes", () => {
    expect(String(tensor([1.5, -2], { dtype: "f16" }))).toBe("tensor([ 1.5000, -2.0000], f16 [2])");
    expect(String(tensor([200, 3], { dtype: "u8" }))).toBe("tensor([200,   3], u8 [2])");
    expect(String(tensor([0.5], { requiresGrad: true }).detach())).toBe("tensor([0.5000], f32 [1])");
  });
});
