import { describe, expect, it, vi } from "vitest";
import { elementGroups, elements, rawKind } from "../wgsl/elements.ts";
import { walkValues } from "../wgsl/walk.ts";
import type { GpuTensor } from "./kernel.ts";
import { entry, shader, spread, variants } from "./shader.ts";

describe("the workgroups of some work", () => {
  it("are as many as it needs, and in rows where one dimension has no room", () => {
    expect(spread(0, 64)).toEqual([0, 1, 1]);
    expect([1, 64, 65, 128].map((count) => spread(count, 64)[0])).toEqual([1, 1, 2, 2]);
    // WebGPU allows 65535 workgroups in a dimension.
    expect(spread(65535, 1)).toEqual([65535, 1, 1]);
    expect(spread(65536, 1)).toEqual([32768, 2, 1]);
    for (const count of [65537, 131070, 131071, 200_001, 9_999_999]) {
      const [x, y, z] = spread(count, 1);
      expect(x).toBeLessThanOrEqual(65535);
      expect(x * y * z).toBeGreaterThanOrEqual(count);
      // No row is empty.
      expect(x * (y - 1)).toBeLessThan(count);
      expect(x * y - count).toBeLessThan(y);
    }
  });

  it("of elements make a word each", () => {
    for (const [kind, each] of [
      ["f32", 1],
      ["i32", 1],
      ["word", 1],
      ["f16", 2],
      ["bf16", 2],
      ["half", 2],
      ["u8", 4],
      ["bool", 4],
      ["byte", 4],
    ] as const) {
      const [groups] = elementGroups(kind, 64 * 64 * each);
      expect(groups, kind).toBe(64);
      expect(elementGroups(kind, 64 * 64 * each + 1)[0], kind).toBe(65);
    }
    expect((["f32", "i32", "f16", "bf16", "u8", "bool"] as const).map(rawKind)).toEqual([
      ...["word", "word", "half", "half", "byte", "byte"],
    ]);
  });
});

describe("a shader", () => {
  const made = shader({
    name: "test",
    bindings: { x: "read vec4f", out: "write f32" },
    uniforms: { a: "u32", b: "f32", c: "i32" },
    faults: true,
    code: (subgroups) => (subgroups ? "subgroupAdd" : "plain"),
  });

  it("declares its uniforms and tensors in order, and the buffer of faults behind them", () => {
    expect(made.code.split("\n").filter((line) => line.startsWith("@group"))).toEqual([
      "@group(0) @binding(0) var<uniform> u: Uniforms;",
      "@group(0) @binding(1) var<storage, read> x: array<vec4f>;",
      "@group(0) @binding(2) var<storage, read_write> out: array<f32>;",
      "@group(0) @binding(3) var<storage, read_write> faults: Faults;",
    ]);
    expect(made.code).toContain("struct Uniforms { a: u32, b: f32, c: i32 }");
    expect(made).toMatchObject({ writes: [false, true], faults: true, uniformBytes: 12 });
  });

  it("has a text for devices with subgroups, if it uses them", () => {
    expect(made.code).toMatch(/plain$/);
    expect(made.subgroupCode).toMatch(/^enable subgroups;\n[\s\S]*subgroupAdd$/);
    const code = vi.fn(() => "same");
    const same = shader({ name: "same", bindings: {}, uniforms: {}, enable: ["f16"], code });
    expect(same.subgroupCode).toBe(same.code);
    expect(same.code).toMatch(/^enable f16;\n/);
    expect(same.code).not.toContain("Faults");
    // WGSL does not allow empty structs.
    expect(same.code).toContain("struct Uniforms { unused: u32 }");
    expect([same.uniformBytes, same.faults]).toEqual([4, false]);
  });

  it("is run with its numbers by their types", () => {
    const [x, out] = [{}, {}] as GpuTensor[];
    const run = made.dispatch({ out, x }, { a: 7, b: 0.5, c: -2 }, [3, 2, 1], x);
    expect(Array.from(run.words)).toEqual([7, 0x3f000000, 0xfffffffe]);
    expect(run).toMatchObject({ shader: made, groups: [3, 2, 1] });
    expect([run.tensors[0] === x, run.tensors[1] === out, run.faultsIn === x]).toEqual([true, true, true]);
  });

  it("is made once for the same arguments", () => {
    const make = vi.fn((a: number, b: boolean) => ({ a, b }));
    const one = variants(make);
    expect(one(1, true)).toBe(one(1, true));
    expect(one(1, false)).not.toBe(one(1, true));
    expect(make).toHaveBeenCalledTimes(2);
  });

  it("numbers its work over the workgroups of all rows", () => {
    const text = entry(64, "body");
    expect(text).toContain("@workgroup_size(64)");
    expect(text).toContain("let index = groupIndex * 64u + lane;");
  });
});

describe("a kernel of elements", () => {
  const textOf = (out: "f16" | "u8" | "half" | "f32", partial: boolean) =>
    elements({ name: "test", inputs: {}, out, element: "return 0;", partial }).code;

  it("makes the elements of a word side by side", () => {
    for (const [out, count] of [
      ["half", 2],
      ["u8", 4],
    ] as const) {
      const width = 32 / count;
      const mask = count === 2 ? 65535 : 255;
      const lines = textOf(out, false).split("\n");
      for (let k = 0; k < count; k++) {
        const place = `let i = ${count}u * index + ${k}u;`;
        const line = lines.find((one) => one.includes(place));
        expect(line, `${out} ${k}`).toContain(`word |= (element(i) & ${mask}u) << ${k * width}u;`);
        const kept = textOf(out, true)
          .split("\n")
          .find((one) => one.includes(place));
        expect(kept).toContain(`word = (word & ~(${mask}u << ${k * width}u)) | `);
      }
      expect(lines.filter((one) => one.includes("word |=")).length).toBe(count);
      expect(textOf(out, false)).toContain(`if (index * ${count}u >= u.size) { return; }`);
    }
    expect(textOf("f16", false)).toContain("word |= f32ToF16(element(i)) << 16u;");
  });

  it("writes where it does not keep", () => {
    expect(textOf("f32", true)).toContain("if (!keeps(i)) { out[i] = element(i); }");
    expect(textOf("f32", false)).toContain("out[i] = element(i);");
    expect(textOf("f32", false)).not.toContain("keeps");
    expect(textOf("u8", true)).toContain("var word = out[index];");
    expect(textOf("u8", false)).toContain("var word = 0u;");
  });
});

it("a walk has the sizes behind the first, and the strides of each operand", () => {
  const traversal = {
    sizes: [2, 3, 4],
    strides: [
      [12, 4, 1],
      [0, 5, 6],
    ],
  };
  expect(walkValues(traversal, ["a", "b"], "K")).toEqual({
    ...{ sizeK1: 3, sizeK2: 4, aK0: 12, aK1: 4, aK2: 1, bK0: 0, bK1: 5, bK2: 6 },
  });
});
