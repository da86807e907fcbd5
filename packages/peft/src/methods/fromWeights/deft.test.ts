import { Generator, init, matmul, mul, randn, reference, scope, sum, type Tensor, tensor } from "@lowrank/core";
import { Parameter } from "@lowrank/nn";
import { beforeAll, expect, test } from "vitest";
import { getPeftModel } from "../../peftModel/getPeftModel.ts";
import { TinyModel } from "../../testing/tinyModel.ts";
import { DeftConfig } from "./deftConfig.ts";
import { orthonormalRows } from "./orthonormalRows.ts";

beforeAll(() => init(reference()));

const values = (t: Tensor) => [...t.dataSync()].map(Number);

test.each([
  [1, 1],
  [1, 5],
  [3, 7],
  [6, 6],
])("%i orthonormal rows of length %i have the signs of LAPACK", (n, m) => {
  scope(() => {
    const rows = randn([n, m], { generator: new Generator(3) });
    const q = orthonormalRows(rows);
    for (const [i, value] of values(matmul(q, q, { transposeB: true })).entries()) {
      expect(value).toBeCloseTo(i % (n + 1) === 0 ? 1 : 0, 5);
    }
    // R = rows Qᵀ is triangular. LAPACK's first diagonal element has the opposite sign of the first element.
    const r = values(matmul(rows, q, { transposeB: true }));
    for (const [at, value] of r.entries()) if (at % n > Math.floor(at / n)) expect(value).toBeCloseTo(0, 5);
    if (m > 1) expect(Math.sign(r[0])).toBe(-Math.sign(values(rows)[0]));
    else expect(values(q)).toEqual([1]);
  });
});

test.each([
  [3, 5],
  [4, 4],
])("the gradient of %i orthonormal rows of length %i is that of differences", (n, m) => {
  const start = values(randn([n, m], { generator: new Generator(5) }));
  const weights = randn([n, m], { generator: new Generator(6) });
  const loss = (rows: Tensor) => sum(mul(orthonormalRows(rows), weights));
  const rows = new Parameter(tensor(start, { shape: [n, m] }));
  scope(() => loss(rows).backward());
  const step = 2e-3;
  const at = (list: readonly number[]) => scope(() => loss(tensor(list, { shape: [n, m] })).itemSync());
  for (const [i, value] of values(rows.grad!).entries()) {
    const moved = (by: number) => at(start.map((x, j) => (j === i ? x + by : x)));
    expect(value).toBeCloseTo((moved(step) - moved(-step)) / (2 * step), 2);
  }
});

test("a layer with fewer outputs than r has as many columns as outputs", async () => {
  const peft = await getPeftModel(new TinyModel(), new DeftConfig({ r: 40, targetModules: ["layers.0.up"] }));
  const shapes = Array.from(peft.adapterTensors().values(), ({ shape }) => [...shape]);
  expect(shapes).toEqual([
    [10, 10],
    [10, 6],
  ]);
});
