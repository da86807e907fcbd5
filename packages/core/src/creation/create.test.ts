import { beforeAll, describe, expect, it } from "vitest";
import {
  arange,
  type Backend,
  fromBytes,
  full,
  Generator,
  init,
  meta,
  rand,
  randn,
  reference,
  tensor,
} from "../index.ts";

beforeAll(async () => {
  await init(reference());
});

describe("tensor", () => {
  it("takes numbers, nested arrays and typed arrays", () => {
    expect(tensor(3).shape).toEqual([]);
    expect(
      tensor([
        [1, 2, 3],
        [4, 5, 6],
      ]).shape,
    ).toEqual([2, 3]);
    expect(tensor([[[]]]).shape).toEqual([1, 1, 0]);
    const ids = tensor(Int32Array.of(1, 2, 3, 4), { shape: [2, 2] });
    expect([ids.dtype, ids.shape]).toEqual(["i32", [2, 2]]);
    expect(Array.from(tensor([0, 2, -1], { dtype: "bool" }).dataSync())).toEqual([0, 1, 1]);
  });

  it("rounds to half precision and widens on reading", () => {
    expect(Array.from(tensor([1, 1 / 3], { dtype: "bf16" }).dataSync())).toEqual([1, 0.333984375]);
    expect(Array.from(tensor([1, 1 / 3], { dtype: "f16" }).dataSync())).toEqual([1, 0.333251953125]);
  });

  it("refuses ragged arrays and wrong sizes", () => {
    expect(() => tensor([[1, 2], [3]])).toThrow(/ragged: at data\[1\] there is 1 entry, not 2/);
    expect(() => tensor([1, [2]])).toThrow(/ragged/);
    expect(() => tensor([1, 2, 3], { shape: [2, 2] })).toThrow(/3 values do not fill the shape \[2,2\]/);
    expect(() => full([-1], 0)).toThrow(/\[-1\] holds -1/);
    expect(() => fromBytes(new Uint8Array(7), [2], "f32")).toThrow(/f32 \[2\] takes 8 bytes, got 7/);
    expect(() => arange(0, 1, 0)).toThrow(/step 0/);
  });

  it("counts", () => {
    expect(Array.from(arange(2, 9, 3).dataSync())).toEqual([2, 5, 8]);
    expect(arange(2, 2).shape).toEqual([0]);
    expect(Array.from(arange(4).dataSync())).toEqual([0, 1, 2, 3]);
    for (const [start, end] of [
      [Number.NaN, 3],
      [0, Number.NaN],
      [0, Infinity],
    ]) {
      expect(() => arange(start, end)).toThrow(`arange: it takes an end, or a start and an end, as in arange(5)`);
    }
  });

  it("full takes a list of sizes and a number", () => {
    const message = (given: string) => `full: it takes a shape and a number, as in full([2, 3], 0.5), not (${given})`;
    expect(() => full(2 as never, 1)).toThrow(message("2, 1"));
    expect(() => full([2], "1" as never)).toThrow(message("2, 1"));
  });

  it("random tensors are the generator's values in the default range, rounded to the dtype", () => {
    const [uniform, normal] = [new Float32Array(50), new Float32Array(50)];
    new Generator(5).fillUniform(uniform, 0, 1);
    new Generator(5).fillNormal(normal, 0, 1);
    expect(rand([50], { generator: new Generator(5) }).dataSync()).toEqual(uniform);
    expect(randn([50], { generator: new Generator(5) }).dataSync()).toEqual(normal);
    const half = rand([50], { generator: new Generator(5), dtype: "bf16" });
    expect(half.dataSync()).toEqual(tensor(uniform, { dtype: "bf16" }).dataSync());
    const generator = new Generator(5);
    rand([50], { generator, dtype: "bf16", backend: meta() });
    expect(rand([50], { generator }).dataSync()).toEqual(uniform);
  });

  it("gives its only element, and says when there are more", async () => {
    expect(await tensor([[4]]).item()).toBe(4);
    expect(() => tensor([1, 2]).itemSync()).toThrow(/\[2\] has 2 elements/);
  });
});

it("writes numbers where a tensor lies, or hands them over where that is not the host's memory, and fills in place", () => {
  const host = reference();
  let [handedOver, filled] = [0, 0];
  const device: Backend = {
    ...host,
    supports: () => false,
    fill: (buffer, word) => {
      filled++;
      host.fill(buffer, word);
    },
    write: (buffer, bytes) => {
      handedOver += bytes.length;
      host.write(buffer, bytes);
    },
  };
  const make = (backend: Backend) => [
    ...(["f32", "f16", "bf16", "i32", "u8", "bool"] as const).map((dtype) => full([3], 2.5, { dtype, backend })),
    randn([5], { generator: new Generator(1), backend }),
    rand([5], { generator: new Generator(1), low: 1, high: 2, dtype: "bf16", backend }),
  ];
  const [here, there] = [host, device].map((backend) => make(backend).map((t) => Array.from(t.dataSync())));
  expect(there).toEqual(here);
  expect(here?.slice(0, 6)).toEqual([2.5, 2.5, 2.5, 2, 2, 1].map((value) => [value, value, value]));
  expect(handedOver).toBe(5 * (4 + 2));
  expect(filled).toBe(6);
});

it("refuses numbers that an integer dtype cannot hold, naming the first, and cuts fractions off", () => {
  const make = {
    tensor: (value: number) => tensor([0, value], { dtype: "i32" }),
    full: (value: number) => full([2], value, { dtype: "i32" }),
    arange: (value: number) => arange(value, value + 2),
  };
  for (const value of [2 ** 31, -(2 ** 31) - 1, 3e9]) {
    for (const [name, f] of Object.entries(make)) expect(() => f(value)).toThrow(new RegExp(`^${name}: ${value} at`));
  }
  for (const value of [Number.NaN, Infinity]) expect(() => make.tensor(value)).toThrow(/position 1 is not within i32/);
  expect(() => tensor([256], { dtype: "u8" })).toThrow(
    "tensor: 256 at position 0 is not within u8, which goes from 0 to 255",
  );
  const ends = [2 ** 31 - 1, -(2 ** 31), 1.9, -1.9];
  expect(Array.from(tensor(ends, { dtype: "i32" }).dataSync())).toEqual([2 ** 31 - 1, -(2 ** 31), 1, -1]);
});
