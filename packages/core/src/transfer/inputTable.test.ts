import { beforeEach, describe, expect, it } from "vitest";
import type { Backend, TableKernel, TensorRef, TensorSpec, View } from "../backends/backend.ts";
import {
  copyInto,
  defineOp,
  Generator,
  init,
  noGrad,
  type Op,
  randn,
  reference,
  type Tensor,
  tensor,
} from "../index.ts";
import { InputTable, lowRankRows, moveTensors } from "../internal.ts";
import { deferred, primitives } from "../testing/index.ts";

const sumDefinition = {
  name: "test/scaledSum",
  arity: [1, Number.POSITIVE_INFINITY],
  shape: ([x]: readonly TensorSpec[]) => x,
  grouped: { shape: ([x]: readonly TensorSpec[]) => x, fits: () => true, key: () => [] },
  ref: ([x, ...others]: readonly View[], [out]: readonly View[], { scale }: { scale: number }) => {
    for (let i = 0; i < x.size; i++) {
      out.data[i] = scale * others.reduce((sum, { data }) => sum + data[0], x.data[i]);
    }
  },
} as const;
const scaledSum: Op<number, { scale: number }> = defineOp<number, { scale: number }>(sumDefinition);

/** Returns a reference backend with a table kernel, which logs its calls. */
function telling(): { backend: Backend; told: string[] } {
  const backend = reference();
  const told: string[] = [];
  backend.bind = (op): TableKernel => {
    told.push(`bind ${op.name}`);
    const groups: (readonly TensorRef[])[] = [];
    return {
      set: (slot, group) => {
        told.push(`set ${slot}`);
        groups[slot] = [...group];
      },
      run: (slots, inputs, outputs, params) => {
        told.push(`run ${slots}`);
        backend.run(op, [...inputs, ...slots.flatMap((slot) => groups[slot])], outputs, params as never);
      },
    };
  };
  return { backend, told };
}

const draw = (...shape: number[]): Tensor => randn(shape, { generator: new Generator(shape.length) });
const params = { rows: [[1, 0], [2]], scalings: [2, 0.5] };
const slots = [0, 3];

let factors: Tensor[];
const start = async (backend: Backend): Promise<void> => {
  await init(backend);
  factors = [draw(2, 4), draw(5, 2), draw(3, 4), draw(5, 3)];
};
/** Returns a table with the factors of two pairs, in slots 0 and 3. */
function filled(): InputTable<typeof params> {
  const table = new InputTable(lowRankRows);
  for (const [i, slot] of slots.entries()) table.set(slot, factors.slice(2 * i, 2 * i + 2));
  return table as InputTable<typeof params>;
}
const bits = async (t: Tensor): Promise<number[]> => [...(await t.data())] as number[];

describe.each([
  ["reference", reference],
  ["primitives", primitives],
  ["deferred", deferred],
])("InputTable on %s", (_name, make) => {
  beforeEach(() => start(make()));

  it("computes what the op computes, for every batch and any of its groups", async () => {
    const table = filled();
    for (const rows of [3, 3, 4, 3]) {
      const [y, x] = [draw(rows, 5), draw(rows, 4)];
      const expected = await bits(lowRankRows(y, x, ...factors, params));
      expect(await bits(noGrad(() => table.run(slots, params, y, x)))).toEqual(expected);
      const one = { rows: [[2, 1]], scalings: [3] };
      const ofOne = await bits(lowRankRows(y, x, ...factors.slice(2), one));
      expect(await bits(noGrad(() => table.run([3], one, y, x)))).toEqual(ofOne);
    }
  });

  it("follows tensors that are written, replaced, or moved to another backend", async () => {
    const table = filled();
    const [y, x] = [draw(3, 5), draw(3, 4)];
    const check = async (): Promise<void> => {
      const expected = await bits(lowRankRows(y, x, ...factors, params));
      expect(await bits(noGrad(() => table.run(slots, params, y, x)))).toEqual(expected);
    };
    await check();
    noGrad(() => copyInto(factors[1], draw(2, 5).reshape([5, 2])));
    await check();
    factors.splice(2, 2, draw(6, 4), draw(5, 6));
    table.set(3, factors.slice(2));
    await check();
    await moveTensors([...factors, y, x], make());
    await check();
  });
});

describe("InputTable", () => {
  it("has a group looked at once for all calls that take it, and again when it is written", async () => {
    const { backend, told } = telling();
    await init(backend);
    const [one, two, three] = [tensor([10]), tensor([20]), tensor([30])];
    const table = new InputTable(scaledSum);
    for (const [slot, t] of [one, two, three].entries()) table.set(slot, [t]);
    const call = (own: readonly number[], scale: number, ...values: number[]) => [
      ...noGrad(() => table.run(own, { scale }, tensor(values))).dataSync(),
    ];
    expect([call([0, 1], 2, 1), call([1, 0], 3, 1), call([1, 2], 2, 3, 4)]).toEqual([[62], [93], [106, 108]]);
    expect(told.splice(0)).toEqual(["bind test/scaledSum", "set 0", "set 1", "run 0,1", "run 1,0", "set 2", "run 1,2"]);
    noGrad(() => copyInto(two, tensor([21])));
    expect([call([0, 1], 2, 1), call([0, 2], 2, 1)]).toEqual([[64], [82]]);
    expect(told.splice(0)).toEqual(["set 1", "run 0,1", "run 0,2"]);
    one.dispose();
    expect(call([1], 1, 1)).toEqual([22]);
    expect(() => call([0], 1, 1)).toThrow("this tensor [1] was freed");
    table.delete(1);
    expect(() => call([1], 1, 1)).toThrow("test/scaledSum: slot 1 of its InputTable is empty");
  });

  it("looks at a group that came or was written after all were known", async () => {
    const { backend, told } = telling();
    await init(backend);
    const all = [tensor([10]), tensor([20]), tensor([30])];
    const table = new InputTable(scaledSum);
    const call = (...own: number[]) => noGrad(() => table.run(own, { scale: 1 }, tensor([1]))).dataSync()[0];
    for (const slot of [0, 1]) table.set(slot, [all[slot]]);
    expect([call(0, 1), call(1)]).toEqual([31, 21]);
    table.set(2, [all[2]]);
    expect([call(2, 0), call(1, 2)]).toEqual([41, 51]);
    noGrad(() => copyInto(all[1], tensor([21])));
    expect([call(0, 2), call(0, 1), call(1)]).toEqual([41, 32, 22]);
    const sets = told.filter((line) => line.startsWith("set"));
    expect(sets).toEqual(["set 0", "set 1", "set 2", "set 1"]);
    expect(() => call(3)).toThrow("test/scaledSum: slot 3 of its InputTable is empty");
    table.delete(0);
    expect(() => call(0)).toThrow("test/scaledSum: slot 0 of its InputTable is empty");
    expect(call(2)).toBe(31);
  });

  it("checks a call again only if its slots, parameters or inputs differ", async () => {
    const [first, second] = [telling(), telling()];
    await init(first.backend);
    let checks = 0;
    const shape = ([x]: readonly TensorSpec[]) => {
      checks++;
      return x;
    };
    const op = defineOp<number, { scale: number }>({
      ...sumDefinition,
      name: "test/checkedSum",
      grouped: { shape, fits: () => true, key: () => [] },
    });
    const table = new InputTable(op);
    table.set(0, [tensor([10])]);
    const [own, scaled] = [[0], { scale: 2 }];
    const call = (x: Tensor, of: readonly number[] = own, by = scaled) => {
      checks = 0;
      const out = noGrad(() => table.run(of, by, x));
      return [checks, out.dtype, out.shape, ...out.dataSync()];
    };
    expect(call(tensor([1]))).toEqual([1, "f32", [1], 22]);
    expect(call(tensor([2]))).toEqual([0, "f32", [1], 24]);
    expect(call(tensor([1, 2]))).toEqual([1, "f32", [2], 22, 24]);
    expect(call(tensor([3, 2]))).toEqual([0, "f32", [2], 26, 24]);
    expect(call(tensor([3, 2], { dtype: "i32" }))).toEqual([1, "i32", [2], 26, 24]);
    expect(call(tensor([3, 2]))[0]).toBe(1);
    expect(call(tensor([3, 2]), [0])[0]).toBe(1);
    expect(call(tensor([3, 2]), own)[0]).toBe(1);
    expect(call(tensor([3, 2]), own, { scale: 3 })).toEqual([1, "f32", [2], 39, 36]);
    expect(call(tensor([3, 2]), own, { scale: 3 })[0]).toBe(1);
    first.told.length = 0;
    expect(() => call(tensor([3, 2], { backend: second.backend }))).toThrow(/backend/);
    expect(first.told).toEqual([]);
  });

  it("calls the op for a group that does not fit, or is on another backend", async () => {
    const { backend, told } = telling();
    await init(backend);
    const op = defineOp<number, { scale: number }>({
      ...sumDefinition,
      name: "test/unfitSum",
      grouped: { shape: ([x]) => x, fits: (_, [x]) => x.shape[0] === 1, key: () => [] },
    });
    const table = new InputTable(op);
    const call = () => [...noGrad(() => table.run([0], { scale: 2 }, tensor([1]))).dataSync()];
    table.set(0, [tensor([10, 11])]);
    expect([call(), told.splice(0)]).toEqual([[22], ["bind test/unfitSum"]]);
    table.set(0, [tensor([10], { backend: reference() })]);
    expect(call).toThrow(/backend/);
    expect(told.splice(0)).toEqual([]);
    table.set(0, [tensor([10])]);
    expect([call(), told]).toEqual([[22], ["set 0", "run 0"]]);
  });

  it("has gradients on a backend with a table kernel", async () => {
    const { backend, told } = telling();
    await init(backend);
    const rule = defineOp<number, { scale: number }>({
      ...sumDefinition,
      name: "test/slopedSum",
      vjp: ({ grads, needs }) => needs.map((need) => (need ? grads[0] : null)),
    });
    const table = new InputTable(rule);
    table.set(0, [tensor([10], { requiresGrad: true })]);
    const call = () => table.run([0], { scale: 1 }, tensor([1]));
    expect([call().requiresGrad, noGrad(call).requiresGrad]).toEqual([true, false]);
    expect(told).toEqual(["bind test/slopedSum", "set 0", "run 0"]);
  });

  it("has gradients where they are wanted", async () => {
    await start(reference());
    const [y, x] = [draw(3, 5), draw(3, 4)];
    factors[0].requiresGrad = true;
    const table = filled();
    noGrad(() => table.run(slots, params, y, x));
    expect(table.run(slots, params, y, x).requiresGrad).toBe(true);
    expect(noGrad(() => table.run(slots, params, y, x)).requiresGrad).toBe(false);
  });

  it("refuses an op that has no shape in groups", () => {
    const op = defineOp<number, object>({ name: "test/plain", arity: [1, 2], shape: ([x]) => x });
    expect(() => new InputTable(op)).toThrow("the op test/plain does not take grouped inputs");
  });
});
