import { scope } from "../engine/scope.ts";
import type { Tensor } from "../engine/tensor.ts";
import * as ops from "../ops/index.ts";
import { mul } from "./arithmetic.ts";
import { type Label, readEquation } from "./einsumEquation.ts";
import { sum } from "./reductions.ts";
import { permute, reshape } from "./shapes.ts";

/** A tensor and the label of each of its dimensions. */
interface Labelled {
  readonly x: Tensor;
  readonly labels: readonly Label[];
}

/**
 * Returns the Einstein sum of any number of operands, by PyTorch's rules, as in `einsum("bhqd,bhkd->bhqk", q, k)`. A
 * letter that occurs twice in an operand takes its diagonal ("ii->i"). "..." stands for any number of dimensions, which
 * broadcast. Without "->", the result has the letters that occur only once, in alphabetical order. Operands are
 * multiplied from left to right, each time by one batched matrix product.
 */
export function einsum(equation: string, ...operands: Tensor[]): Tensor {
  const { terms, out, sizes } = readEquation(
    equation,
    operands.map(({ shape }) => shape),
  );
  return scope(() => {
    const parts = operands.map((x, i) => withoutRepeats({ x, labels: terms[i] }, sizes));
    let all = parts[0];
    for (let i = 1; i < parts.length; i++) {
      const labelsNeeded = new Set([...out, ...parts.slice(i + 1).flatMap(({ labels }) => labels)]);
      all = join(all, parts[i], labelsNeeded, sizes);
    }
    return arrange(sumLonely(all, new Set(out)), out);
  });
}

/**
 * If a label occurs twice in an operand, replaces these two dimensions by their diagonal. Drops dimensions of size 1
 * that broadcast to a larger size.
 */
function withoutRepeats({ x, labels }: Labelled, sizes: ReadonlyMap<Label, number>): Labelled {
  const own = labels.flatMap((label, d) => (x.shape[d] === sizes.get(label) ? [d] : []));
  let part: Labelled = {
    x: reshape(
      x,
      own.map((d) => x.shape[d]),
    ),
    labels: own.map((d) => labels[d]),
  };
  for (const label of new Set(part.labels)) {
    while (part.labels.indexOf(label) !== part.labels.lastIndexOf(label)) part = diagonal(part, label);
  }
  return part;
}

/**
 * Replaces the first two dimensions with this label by one dimension, which holds their diagonal. It becomes the last
 * dimension.
 */
function diagonal({ x, labels }: Labelled, label: Label): Labelled {
  const first = labels.indexOf(label);
  const second = labels.indexOf(label, first + 1);
  const rest = labels.flatMap((_, d) => (d === first || d === second ? [] : [d]));
  const n = x.shape[first];
  const square = reshape(permute(x, [...rest, first, second]), [...rest.map((d) => x.shape[d]), n * n]);
  return { x: ops.slice(square, { dim: -1, step: n + 1 }), labels: [...rest.map((d) => labels[d]), label] };
}

/** Sums an operand over the dimensions whose labels are not in `others`. */
function sumLonely({ x, labels }: Labelled, others: ReadonlySet<Label>): Labelled {
  const lonely = labels.flatMap((label, d) => (others.has(label) ? [] : [d]));
  if (lonely.length === 0) return { x, labels };
  return { x: sum(x, { dim: lonely }), labels: labels.filter((label) => others.has(label)) };
}

function arrange({ x, labels }: Labelled, order: readonly Label[]): Tensor {
  if (labels.every((label, d) => label === order[d])) return x;
  return permute(
    x,
    order.map((label) => labels.indexOf(label)),
  );
}

const isEqual = (a: readonly Label[], b: readonly Label[]) => a.length === b.length && a.every((l, i) => l === b[i]);

/** Multiplies two operands, and sums over the labels that both have and that are not in `kept`. */
function join(a: Labelled, b: Labelled, kept: ReadonlySet<Label>, sizes: ReadonlyMap<Label, number>): Labelled {
  const left = sumLonely(a, new Set([...kept, ...b.labels]));
  const right = sumLonely(b, new Set([...kept, ...a.labels]));
  const shared = left.labels.filter((label) => right.labels.includes(label));
  const batch = shared.filter((label) => kept.has(label));
  const summed = shared.filter((label) => !kept.has(label));
  const rows = left.labels.filter((label) => !shared.includes(label));
  const columns = right.labels.filter((label) => !shared.includes(label));
  const shapeOf = (labels: readonly Label[]) => labels.map((label) => sizes.get(label) as number);
  const size = (labels: readonly Label[]) => shapeOf(labels).reduce((product, s) => product * s, 1);
  const matrix = (t: Tensor, m: readonly Label[], n: readonly Label[]) =>
    reshape(t, [...shapeOf(batch), size(m), size(n)]);
  const order = [...batch, ...rows, ...columns];
  // An operand whose dimensions already have this order needs no copy: matmul reads it with its transpose flag.
  const transposeA = rows.length > 0 && isEqual(left.labels, [...batch, ...summed, ...rows]);
  const transposeB = columns.length > 0 && isEqual(right.labels, [...batch, ...columns, ...summed]);
  const x = arrange(left, [...batch, ...(transposeA ? [...summed, ...rows] : [...rows, ...summed])]);
  const y = arrange(right, [...batch, ...(transposeB ? [...columns, ...summed] : [...summed, ...columns])]);
  const product =
    summed.length === 0
      ? mul(matrix(x, rows, []), matrix(y, [], columns))
      : ops.matmul(
          transposeA ? matrix(x, summed, rows) : matrix(x, rows, summed),
          transposeB ? matrix(y, columns, summed) : matrix(y, summed, columns),
          { transposeA, transposeB },
        );
  return { x: reshape(product, shapeOf(order)), labels: order };
}
