import { copyInto, Generator, init, noGrad, randn, reference, type Tensor, tensor, to } from "@lowrank/core";
import { InputTable, lowRankRows, moveTensors } from "@lowrank/core/internal";
import { beforeEach, describe, expect, it } from "vitest";
import { wasm } from "./index.ts";

const draw = (...shape: number[]): Tensor => randn(shape, { generator: new Generator(shape.length) });
const params = { rows: [[1, 0], [2]], scalings: [2, 0.5] };
const slots = [0, 40];

describe("InputTable on wasm", () => {
  let factors: Tensor[];
  let table: InputTable<typeof params>;
  beforeEach(async () => {
    await init(await wasm({ batchInvariant: true }));
    factors = [draw(2, 4), draw(5, 2), draw(3, 4), draw(5, 3)];
    table = new InputTable(lowRankRows) as InputTable<typeof params>;
    for (const [i, slot] of slots.entries()) table.set(slot, factors.slice(2 * i, 2 * i + 2));
  });

  const compare = async (y: Tensor, x: Tensor): Promise<void> => {
    const expected = lowRankRows(y, x, ...factors, params).dataSync();
    expect(noGrad(() => table.run(slots, params, y, x)).dataSync()).toEqual(expected);
  };

  it("computes what the op computes, for every batch and any of its groups", async () => {
    for (const rows of [3, 3, 4, 3]) {
      const [y, x] = [draw(rows, 5), draw(rows, 4)];
      await compare(y, x);
      const one = { rows: [[2, 1]], scalings: [3] };
      const expected = lowRankRows(y, x, ...factors.slice(2), one).dataSync();
      expect(noGrad(() => table.run([40], one, y, x)).dataSync()).toEqual(expected);
    }
  });

  it("follows groups that are written, replaced, or moved to another backend", async () => {
    const [y, x] = [draw(3, 5), draw(3, 4)];
    await compare(y, x);
    noGrad(() => copyInto(factors[1], randn([5, 2])));
    await compare(y, x);
    factors.splice(2, 2, draw(6, 4), draw(5, 6));
    table.set(40, factors.slice(2));
    await compare(y, x);
    await moveTensors([...factors, y, x], await wasm({ batchInvariant: true }));
    await compare(y, x);
  });

  it("sees halves of other kinds where they are written", async () => {
    const half = (...numbers: number[]) => to(tensor([numbers]), { dtype: "f16" });
    const a = half(1, 2, 3, 4);
    const b = to(tensor([[1], [2]]), { dtype: "f16" });
    const own = new InputTable(lowRankRows);
    own.set(0, [a, b]);
    const one = { rows: [[0]], scalings: [1] };
    const [y, x] = [tensor([[0, 0]]), tensor([[1, 1, 1, 1]])];
    const run = () => [...noGrad(() => own.run([0], one, y, x)).dataSync()];
    expect(run()).toEqual([10, 20]);
    noGrad(() => copyInto(a, half(1, 2, Number.POSITIVE_INFINITY, 4)));
    expect(run()).toEqual([Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]);
    noGrad(() => copyInto(a, half(2 ** -24, 2 ** -24, 2 ** -15, 0)));
    expect(run()).toEqual([2 ** -23 + 2 ** -15, 2 ** -22 + 2 ** -14]);
  });

  it("refuses what the op refuses, also later", () => {
    const call = (y: Tensor, x: Tensor) => () => noGrad(() => table.run(slots, params, y, x));
    expect(call(draw(3, 5), draw(3, 3))).toThrow("in is the last size of x [3,3]");
    call(draw(3, 5), draw(3, 4))();
    expect(call(draw(2, 5), draw(2, 4))).toThrow("row 2 is not one of the 2 rows");
    const other = randn([3, 4], { backend: reference() });
    expect(call(draw(3, 5), other)).toThrow("move them to one backend");
    table.set(40, [draw(2, 3), draw(5, 2)]);
    expect(call(draw(3, 5), draw(3, 4))).toThrow("in is the last size of x [3,4]");
    expect(() => noGrad(() => table.run([0], params, draw(3, 5), draw(3, 4)))).toThrow("2 factors, 2 lists of rows");
  });
});
