import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { einsum, Generator, init, ones, rand, reference, type Tensor, tensor } from "../index.ts";
import { checkGrad, expectClose } from "../testing/index.ts";

beforeAll(async () => {
  await init(reference());
});

/** A random sum: terms of letters, the result, and the size of each letter. A "." is an ellipsis dimension. */
interface Case {
  readonly terms: string[];
  readonly out: string;
  readonly sizes: Record<string, number>;
}

const letters = "iJkl";

/** Up to three terms over few letters, so that they repeat within and among terms. */
const cases = fc
  .record({
    terms: fc.array(fc.array(fc.constantFrom(...letters), { maxLength: 3 }), { minLength: 1, maxLength: 3 }),
    sizes: fc.tuple(...[...letters].map(() => fc.constantFrom(1, 2, 3, 0))),
    order: fc.shuffledSubarray([...letters]),
  })
  .map(({ terms, sizes, order }): Case => {
    const words = terms.map((term) => term.join(""));
    return {
      terms: words,
      out: order.filter((letter) => words.some((word) => word.includes(letter))).join(""),
      sizes: Object.fromEntries([...letters].map((letter, i) => [letter, sizes[i]])),
    };
  });

/** Computes the sum by plain loops over all letters. */
function byLoops({ terms, out, sizes }: Case, operands: readonly Tensor[]): { shape: number[]; data: number[] } {
  const shape = [...out].map((letter) => sizes[letter]);
  const data = new Array<number>(shape.reduce((product, s) => product * s, 1)).fill(0);
  const values = operands.map((t) => t.dataSync());
  const used = [...new Set(terms.join(""))];
  const at: Record<string, number> = {};
  const offset = (term: string) => [...term].reduce((sum, letter) => sum * sizes[letter] + at[letter], 0);
  const visit = (depth: number) => {
    if (depth === used.length) {
      data[offset(out)] += terms.reduce((product, term, i) => product * values[i][offset(term)], 1);
      return;
    }
    for (at[used[depth]] = 0; at[used[depth]] < sizes[used[depth]]; at[used[depth]]++) visit(depth + 1);
  };
  visit(0);
  return { shape, data };
}

/** Positive values, whose sums do not cancel, so that tolerances can be tight. */
const operandsOf = ({ terms, sizes }: Case, generator: Generator) =>
  terms.map((term) =>
    rand(
      [...term].map((letter) => sizes[letter]),
      { generator, low: 0.5, high: 1.5 },
    ),
  );

const numbers = (t: Tensor) => Array.from(t.dataSync());

describe("einsum", () => {
  it("is what plain loops give, for random equations", () => {
    const generator = new Generator(1);
    fc.assert(
      fc.property(cases, (sum) => {
        const operands = operandsOf(sum, generator);
        const y = einsum(`${sum.terms.join(",")}->${sum.out}`, ...operands);
        expectClose("einsum", { shape: y.shape, data: y.dataSync() }, byLoops(sum, operands), 1e-5);
      }),
      { numRuns: 400 },
    );
  });

  it("orders an implied result by letter, capitals first, without repeated letters", () => {
    const generator = new Generator(2);
    fc.assert(
      fc.property(cases, (sum) => {
        const operands = operandsOf(sum, generator);
        const all = sum.terms.join("");
        const out = [..."Jikl"].filter((l) => all.includes(l) && all.indexOf(l) === all.lastIndexOf(l)).join("");
        const y = einsum(sum.terms.join(", "), ...operands);
        expectClose("einsum", { shape: y.shape, data: y.dataSync() }, byLoops({ ...sum, out }, operands), 1e-5);
      }),
      { numRuns: 200 },
    );
  });

  it("has the gradients that differences of its values show, for random equations", async () => {
    const generator = new Generator(3);
    const filled = cases.filter(({ sizes }) => !Object.values(sizes).includes(0));
    await fc.assert(
      fc.asyncProperty(filled, async (sum) => {
        const equation = `${sum.terms.join(",")}->${sum.out}`;
        // The function is linear in each operand, so a long step is exact and rounds little.
        await checkGrad((...t: Tensor[]) => einsum(equation, ...t), operandsOf(sum, generator), { step: 0.5 });
      }),
      { numRuns: 40 },
    );
  });

  it.each([
    ["...ij,...jk->...ik", ["abij", "bjk"], "abik"],
    ["i...,...->...i", ["iab", "b"], "abi"],
    ["...i,i...", ["abi", "iab"], "ab"],
    ["...ii->...i", ["abii"], "abi"],
    ["i...->i", ["iab"], "i"],
    ["...,...", ["", "ab"], "ab"],
  ])("reads the ellipsis of %s", (equation, terms, out) => {
    const sum = { terms, out, sizes: { a: 2, b: 3, i: 4, j: 5, k: 2 } };
    const operands = operandsOf(sum, new Generator(4));
    const y = einsum(equation, ...operands);
    expectClose(equation, { shape: y.shape, data: y.dataSync() }, byLoops(sum, operands), 1e-5);
  });

  it("broadcasts sizes of 1, under an ellipsis and under a letter", () => {
    const x = tensor([[1], [2]]);
    const y = tensor([[3, 4, 5]]);
    expect(numbers(einsum("...,...->...", x, y))).toEqual([3, 4, 5, 6, 8, 10]);
    expect(numbers(einsum("ij,kj->ik", x, y))).toEqual([12, 24]);
  });

  it.each([
    [
      "ij,jk->ik->k",
      [
        [1, 1],
        [1, 1],
      ],
      /cannot read "ij,jk->ik->k"/,
    ],
    ["i.j", [[1, 1]], /cannot read "i\.j"; write letters and at most one "\.\.\."/],
    ["...i...", [[1]], /cannot read/],
    ["ij,jk", [[1, 1]], /1 operands do not fit the 2 terms in "ij,jk"/],
    ["ijk->i", [[1, 1]], /"ijk" does not fit \[1,1\] in "ijk->i"/],
    ["i->i", [[1, 1]], /"i" does not fit \[1,1\]/],
    ["...ijk", [[1, 1]], /"\.\.\.ijk" does not fit \[1,1\]/],
    ["ii->i", [[2, 3]], /"i" has the sizes 2 and 3 within operand 0 \[2,3\]/],
    [
      "ij,jk->ik",
      [
        [1, 2],
        [3, 1],
      ],
      /"j" has the sizes 2 and 3 in "ij,jk->ik"/,
    ],
    ["i->ii", [[2]], /"i" occurs twice in the result/],
    ["i->k", [[2]], /"k" of the result is in no operand/],
  ])("refuses %s", (equation, shapes, message) => {
    expect(() => einsum(equation, ...shapes.map((shape) => ones(shape)))).toThrow(message);
  });
});
