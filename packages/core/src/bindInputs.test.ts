import { beforeEach, describe, expect, it } from "vitest";
import type { Backend, BoundInputs } from "./backend.ts";
import {
  bindInputs,
  copyInto,
  defineOp,
  Generator,
  InputGroup,
  init,
  lowRankRows,
  moveTensors,
  noGrad,
  type Op,
  randn,
  reference,
  type Tensor,
  tensor,
} from "./index.ts";
import { deferred, primitives } from "./testing/index.ts";

/** scale * (x + the numbers that follow), for x [n]. */
const scaledSum: Op<number, { scale: number }> = defineOp<number, { scale: number }>({
  name: "test/scaledSum",
  arity: [1, Number.POSITIVE_INFINITY],
  shape: ([x]) => x,
  ref: ([x, ...others], [out], { scale }) => {
    for (let i = 0; i < x.size; i++) {
      out.data[i] = scale * others.reduce((sum, { data }) => sum + data[0], x.data[i]);
    }
  },
});

const draw = (...shape: number[]): Tensor => randn(shape, { generator: new Generator(shape.length) });
const params = { rows: [[1, 0], [2]], scalings: [2, 0.5] };

let factors: Tensor[];
const start = async (backend: Backend): Promise<void> => {
  await init(backend);
  factors = [draw(2, 4), draw(5, 2), draw(3, 4), draw(5, 3)];
};
/** The factors of each pair. */
const groups = (): InputGroup[] => [0, 2].map((i) => new InputGroup(lowRankRows, factors.slice(i, i + 2)));
const bits = async (t: Tensor): Promise<number[]> => [...(await t.data())] as number[];

describe.each([
  ["reference", reference],
  ["primitives", primitives],
  ["deferred", deferred],
])("bindInputs on %s", (_name, make) => {
  beforeEach(() => start(make()));

  it("computes what the op computes, at every call and for every batch", async () => {
    const bound = bindInputs(lowRankRows, groups());
    for (const rows of [3, 3, 4, 3]) {
      const [y, x] = [draw(rows, 5), draw(rows, 4)];
      const expected = await bits(lowRankRows(y, x, ...factors, params));
      expect(await bits(noGrad(() => bound(params, y, x)))).toEqual(expected);
    }
  });
});

describe("bindInputs", () => {
  beforeEach(() => start(reference()));

  it("says so to the backend, with one object for calls of one shape", async () => {
    const backend = await init(reference());
    const { run } = backend;
    const seen: unknown[] = [];
    backend.run = (op, inputs, outputs, own, binding) => {
      seen.push(binding);
      run(op, inputs, outputs, own, binding);
    };
    const bound = bindInputs(
      scaledSum,
      [10, 20].map((n) => new InputGroup(scaledSum, [tensor([n])])),
    );
    const scale = { scale: 2 };
    const call = (...values: number[]) => noGrad(() => bound(scale, tensor(values))).dataSync();
    expect([call(1), call(2), call(3, 4)]).toEqual([[62], [64], [66, 68]].map((row) => Float32Array.from(row)));
    expect(seen[0]).toMatchObject({ first: 1, groups: [{ size: 1 }, { size: 1 }] });
    expect(seen[1]).toBe(seen[0]);
    expect(noGrad(() => bound({ scale: 3 }, tensor([1]))).dataSync()).toEqual(Float32Array.from([93]));
    expect(new Set(seen)).toEqual(new Set([seen[0]]));
  });

  it("forgets what was found out about numbers that are written", async () => {
    const backend = await init(reference());
    const { run } = backend;
    const seen: (BoundInputs | undefined)[] = [];
    backend.run = (op, inputs, outputs, own, binding) => {
      if (op.name === "test/scaledSum") seen.push(binding);
      run(op, inputs, outputs, own, binding);
    };
    const [one, two] = [tensor([10]), tensor([20])];
    const both = [one, two].map((t) => new InputGroup(scaledSum, [t]));
    const bound = bindInputs(scaledSum, both);
    const scale = { scale: 2 };
    const call = () => noGrad(() => bound(scale, tensor([1]))).dataSync()[0];
    expect(call()).toBe(62);
    for (const group of both) group.found = "numbers of before";
    copyInto(two, tensor([30]));
    expect(call()).toBe(82);
    expect(seen[1]).not.toBe(seen[0]);
    expect(both.map(({ found }) => found)).toEqual(["numbers of before", undefined]);
  });

  it("has groups that go into other calls, and fit each or are refused", async () => {
    const [all, more] = [groups(), groups()[1]];
    const [y, x] = [draw(3, 5), draw(3, 4)];
    for (const some of [all, [all[1], all[0]], [all[0], more], all]) {
      const tensors = some.flatMap((group) => group.tensors);
      const expected = await bits(lowRankRows(y, x, ...tensors, params));
      expect(await bits(noGrad(() => bindInputs(lowRankRows, some)(params, y, x)))).toEqual(expected);
    }
    expect(() => noGrad(() => bindInputs(lowRankRows, all)(params, draw(3, 6), x))).toThrow("do not fit x");
    const odd = new InputGroup(lowRankRows, [draw(2, 3), draw(5, 2)]);
    expect(() => noGrad(() => bindInputs(lowRankRows, [all[0], odd])(params, y, x))).toThrow("do not fit x [3,4]");
    expect(() => noGrad(() => bindInputs(lowRankRows, [all[0]])(params, y, x))).toThrow("2 factors, 2 lists of rows");
    expect(() => bindInputs(scaledSum, all)).toThrow("a group of another op is given to test/scaledSum");
  });

  it("follows tensors that move to another backend", async () => {
    const bound = bindInputs(lowRankRows, groups());
    const [y, x] = [draw(3, 5), draw(3, 4)];
    const expected = await bits(noGrad(() => bound(params, y, x)));
    const backend = reference();
    await moveTensors([...factors, y, x], backend);
    expect(await bits(noGrad(() => bound(params, y, x)))).toEqual(expected);
  });

  it("has gradients where they are wanted", async () => {
    const [y, x] = [draw(3, 5), draw(3, 4)];
    factors[0].requiresGrad = true;
    const bound = bindInputs(lowRankRows, groups());
    noGrad(() => bound(params, y, x));
    expect(bound(params, y, x).requiresGrad).toBe(true);
    expect(noGrad(() => bound(params, y, x)).requiresGrad).toBe(false);
  });

  it("refuses what the op refuses, also later", () => {
    const bound = bindInputs(lowRankRows, groups());
    const call = (y: Tensor, x: Tensor) => () => noGrad(() => bound(params, y, x));
    expect(call(draw(3, 5), draw(3, 3))).toThrow("do not fit x [3,3]");
    call(draw(3, 5), draw(3, 4))();
    expect(call(draw(2, 5), draw(2, 4))).toThrow("row 2 is not one of the 2 rows");
    const other = randn([3, 4], { backend: reference() });
    expect(call(draw(3, 5), other)).toThrow("move them to one backend");
    factors[2].dispose();
    expect(call(draw(3, 5), draw(3, 4))).toThrow("this tensor [3,4] was freed");
  });
});
