import { type DType, init, memory, reference, tensor } from "@lowrank/core";
import { beforeAll, expect, test } from "vitest";
import { compareLayer } from "./compareLayer.ts";

beforeAll(() => init(reference()));

interface Given {
  terms?: number;
  base?: number[];
  beside?: number[][];
  alone?: number[][];
  sum?: number[];
  stored?: number[];
  dtypes?: DType[];
}

const one = [1, -2, 0.5];
const compare = ({
  terms = 64,
  base = one,
  beside = [one],
  alone = [one],
  sum = one,
  stored = one,
  dtypes = ["f32"],
}: Given) => {
  const t = (values: number[]) => tensor(values);
  const answers = { terms, base: t(base), sum: t(sum), stored: t(stored), beside: beside.map(t), alone: alone.map(t) };
  return compareLayer("up", ["a", "b"], answers as never, dtypes);
};
const u = 2 ** -24;

test("f32 explains 16 random walks of its roundings over the products of a sum", async () => {
  const before = memory().buffers;
  expect(await compare({})).toEqual({ path: "up", maxAbsDiff: 0, bound: 16 * (8 + 8) * u * 2 });
  expect(await compare({ terms: 4 })).toMatchObject({ bound: 16 * (2 + 8) * u * 2 });
  const half = [0.5];
  const low = await compare({ base: half, beside: [half], alone: [half], sum: half, stored: half });
  expect(low).toMatchObject({ bound: 16 * 16 * u * 0.5 });
  expect(await compare({ base: [8] })).toMatchObject({ bound: 16 * 16 * u * 8 });
  expect(await compare({ beside: [[4], [-16]], alone: [[4], [-16]] })).toMatchObject({ bound: 16 * 16 * u * 16 });
  const step = 2 ** -16;
  const near = { beside: [[1, -2]], base: [1], alone: [[1 + step, -2]] };
  expect(await compare(near)).toMatchObject({ maxAbsDiff: step });
  const two = { beside: [[1], [2]], alone: [[1 + 2 * u], [2 - 4 * u]] };
  expect(await compare(two)).toMatchObject({ maxAbsDiff: 4 * u });
  // The bound is 2^-15.
  expect(await compare({ ...near, alone: [[1 + 2 * step, -2]] })).toMatchObject({ maxAbsDiff: 2 * step });
  await expect(compare({ ...near, alone: [[1 + 3 * step, -2]] })).rejects.toThrow(
    "merging a, b would change the outputs of up by 4.6e-5, and rounding to float32 explains only 3.1e-5. Nothing was merged. Keep the adapter unmerged",
  );
  await expect(compare({ alone: [[Number.NaN, -2, 0.5]] })).rejects.toThrow("by NaN");
  expect(memory().buffers).toBe(before);
});

test("rounded weights explain 8 roundoffs of their dtype, and codes half of the answer", async () => {
  const f32 = 16 * 16 * u * 2;
  const explained = async (dtypes: DType[], terms = 64) =>
    (await compare({ dtypes, terms })).bound - 16 * (Math.sqrt(terms) + 8) * u * 2;
  expect(await explained(["f32"])).toBe(0);
  expect(await explained([])).toBe(0);
  expect(await explained(["f16"])).toBeCloseTo(8 * 2 ** -11 * 2 + 8 * 2 ** -25 * 8, 12);
  expect(await explained(["f16"], 256)).toBeCloseTo(8 * 2 ** -11 * 2 + 8 * 2 ** -25 * 16, 12);
  expect(await explained(["bf16"])).toBeCloseTo(8 * 2 ** -8 * 2, 12);
  expect(await explained(["f32", "bf16", "f16"])).toBeCloseTo(8 * 2 ** -8 * 2, 12);
  expect(await explained(["nf4" as DType])).toBe(1);
  const moved = [1.0625, -2, 0.5];
  expect(await compare({ dtypes: ["bf16"], stored: moved })).toEqual({
    ...{ path: "up", maxAbsDiff: 0.0625, bound: f32 + 0.0625 },
  });
  await expect(compare({ dtypes: ["bf16"], stored: [1.0626, -2, 0.5] })).rejects.toThrow(
    "by 6.3e-2, and rounding to bf16 explains only 6.3e-2. Merge into weights of a wider dtype. Nothing was merged.",
  );
  await expect(compare({ dtypes: ["f32"], stored: moved })).rejects.toThrow("explains only 0.0e+0");
  await expect(compare({ dtypes: ["f16", "f16"], stored: moved })).rejects.toThrow("rounding to f16 explains only");
});
