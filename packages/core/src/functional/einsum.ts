import * as ops from "../ops/index.ts";
import { scope } from "../scope.ts";
import { formatShape, type Shape } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { sum } from "./reductions.ts";
import { reshape } from "./shapes.ts";

interface Parsed {
  readonly a: string;
  readonly b: string;
  readonly out: string;
}

function parse(equation: string): Parsed {
  const match = /^([a-zA-Z]*),([a-zA-Z]*)->([a-zA-Z]*)$/.exec(equation.replaceAll(" ", ""));
  if (!match)
    throw new Error(`einsum: cannot read "${equation}"; write two operands and the result, like "bij,bjk->bik"`);
  const [, a, b, out] = match;
  for (const term of [a, b, out]) {
    if (new Set(term).size !== term.length)
      throw new Error(`einsum: a letter occurs twice in "${term}" of "${equation}"`);
  }
  for (const letter of out) {
    if (!a.includes(letter) && !b.includes(letter)) {
      throw new Error(`einsum: "${letter}" of the result of "${equation}" is in neither operand`);
    }
  }
  return { a, b, out };
}

/** Notes the size of each letter of an operand. */
function readSizes(equation: string, term: string, shape: Shape, sizes: Map<string, number>): void {
  if (term.length !== shape.length)
    throw new Error(`einsum: "${term}" of "${equation}" does not fit ${formatShape(shape)}`);
  for (const [d, letter] of [...term].entries()) {
    const known = sizes.get(letter) ?? shape[d];
    if (known !== shape[d]) throw new Error(`einsum: "${letter}" of "${equation}" is ${known} and ${shape[d]}`);
    sizes.set(letter, shape[d]);
  }
}

/** An operand with the letters that only it has summed away. */
function sumLonely(x: Tensor, term: string, others: string): [Tensor, string] {
  const lonely = [...term].flatMap((letter, d) => (others.includes(letter) ? [] : [d]));
  if (lonely.length === 0) return [x, term];
  return [sum(x, { dim: lonely }), [...term].filter((letter) => others.includes(letter)).join("")];
}

function arrange(x: Tensor, term: string, order: string): Tensor {
  return term === order ? x : ops.permute(x, { dims: [...order].map((letter) => term.indexOf(letter)) });
}

/**
 * The Einstein sum of two operands, such as "bhqd,bhkd->bhqk", by way of one batched matrix product. Letters may not
 * repeat within an operand; there is no ellipsis.
 */
export function einsum(equation: string, a: Tensor, b: Tensor): Tensor {
  const terms = parse(equation);
  const sizes = new Map<string, number>();
  readSizes(equation, terms.a, a.shape, sizes);
  readSizes(equation, terms.b, b.shape, sizes);
  const { out } = terms;
  return scope(() => {
    const [x, termA] = sumLonely(a, terms.a, terms.b + out);
    const [y, termB] = sumLonely(b, terms.b, terms.a + out);
    const only = (term: string, test: (letter: string) => boolean) => [...term].filter(test).join("");
    const batch = only(out, (l) => termA.includes(l) && termB.includes(l));
    const rows = only(termA, (l) => !termB.includes(l));
    const columns = only(termB, (l) => !termA.includes(l));
    const summed = only(termA, (l) => termB.includes(l) && !out.includes(l));
    // The order in which an operand already lies needs no copy: matmul reads it through its transpose flag.
    const transposeA = termA === batch + summed + rows && rows !== "";
    const transposeB = termB === batch + columns + summed && columns !== "";
    const left = arrange(x, termA, transposeA ? batch + summed + rows : batch + rows + summed);
    const right = arrange(y, termB, transposeB ? batch + columns + summed : batch + summed + columns);
    const shapeOf = (letters: string) => [...letters].map((letter) => sizes.get(letter) as number);
    const size = (letters: string) => shapeOf(letters).reduce((product, s) => product * s, 1);
    const matrix = (t: Tensor, m: string, n: string) => reshape(t, [...shapeOf(batch), size(m), size(n)]);
    const product = ops.matmul(
      transposeA ? matrix(left, summed, rows) : matrix(left, rows, summed),
      transposeB ? matrix(right, columns, summed) : matrix(right, summed, columns),
      { transposeA, transposeB },
    );
    const order = batch + rows + columns;
    return arrange(reshape(product, shapeOf(order)), order, out);
  });
}
