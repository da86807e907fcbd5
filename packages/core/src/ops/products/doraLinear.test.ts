import { beforeAll, expect, test } from "vitest";
import { init } from "../../backends/backend.ts";
import { reference } from "../../backends/reference.ts";
import { zeros } from "../../creation/create.ts";
import { tensor } from "../../creation/makeTensor.ts";
import { randn } from "../../creation/randomTensors.ts";
import { Generator } from "../../random/random.ts";
import { quantize4bit } from "../quantized/quantize4bit.ts";
import { copyInto } from "../shared/inPlace.ts";
import { to } from "../unary/to.ts";
import { doraNorm, rowSquares } from "./doraLinear.ts";

beforeAll(() => init(reference()));

const [out, from, rank, scaling] = [9, 70, 3, 1.7];

function parts() {
  const generator = new Generator(4);
  const draw = (shape: number[]) => randn(shape, { generator });
  return { w: draw([out, from]), a: draw([rank, from]), b: draw([out, rank]) };
}

/** Returns the row norms of W + s B A, computed from the full matrix in f64. */
function lengths(w: Float32Array, a: Float32Array, b: Float32Array): number[] {
  return Array.from({ length: out }, (_, o) => {
    let sum = 0;
    for (let i = 0; i < from; i++) {
      let x = w[o * from + i];
      for (let r = 0; r < rank; r++) x += scaling * b[o * rank + r] * a[r * from + i];
      sum += x * x;
    }
    return Math.sqrt(sum);
  });
}

const floats = async (t: { data(): Promise<unknown> }) => (await t.data()) as Float32Array;

test("row lengths are those of the whole matrix, however W is stored", async () => {
  const { w, a, b } = parts();
  const packed = quantize4bit(w, {});
  for (const stored of [w, to(w, { dtype: "bf16" }), packed]) {
    const expected = lengths(await floats(to(stored, { dtype: "f32" })), await floats(a), await floats(b));
    const found = await floats(doraNorm(stored, a, b, { scaling }));
    for (const [i, length] of expected.entries()) expect(found[i] / length).toBeCloseTo(1, 6);
  }
});

test("kept row squares give the same bits as new ones", async () => {
  const { w, a, b } = parts();
  const fresh = await floats(doraNorm(w, a, b, { scaling }));
  expect(await floats(doraNorm(w, a, b, { scaling, squares: rowSquares(w) }))).toEqual(fresh);
});

test("a row of zeros has a length above zero", async () => {
  const lengthsOfZeros = doraNorm(zeros([2, 3]), tensor([[1, 2, 3]]), zeros([2, 1]), { scaling });
  for (const length of await floats(lengthsOfZeros)) expect(length).toBeGreaterThan(0);
});

test("the version of a tensor's memory tells that its numbers changed", () => {
  const w = zeros([2, 3]);
  const before = w.storage.version;
  rowSquares(w);
  expect(w.storage.version).toBe(before);
  copyInto(
    w,
    tensor([
      [1, 2, 3],
      [4, 5, 6],
    ]),
  );
  expect(w.storage.version).toBeGreaterThan(before);
});
