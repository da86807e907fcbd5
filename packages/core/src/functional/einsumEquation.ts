import { formatShape, type Shape } from "../layout/shape.ts";

/**
 * The name of a dimension in an equation: its letter, or digits if the dimension is one for which "..." stands. The
 * last of these dimensions is "0", the one before it "1"; the digits increase to the left.
 */
export type Label = string;

/** A parsed einsum equation, with the sizes that the operands' shapes give to its labels. */
export interface Equation {
  /** The labels of each operand's dimensions. A label may occur twice. */
  readonly terms: readonly Label[][];
  readonly out: readonly Label[];
  readonly sizes: ReadonlyMap<Label, number>;
}

const syntax = /^(?:[a-zA-Z]*(?:\.\.\.)?[a-zA-Z]*)$/;

/**
 * Parses an einsum equation by PyTorch's rules. Throws if it is malformed or does not match the shapes of the operands.
 */
export function readEquation(equation: string, shapes: readonly Shape[]): Equation {
  const parts = equation.replaceAll(" ", "").split("->");
  const written = parts[0].split(",");
  const fail = (why: string): never => {
    throw new Error(`einsum: ${why} in "${equation}"`);
  };
  if (parts.length > 2 || ![...written, ...parts.slice(1)].every((term) => syntax.test(term))) {
    throw new Error(
      `einsum: cannot read "${equation}"; write letters and at most one "..." for each operand, like "bij,bjk->bik"`,
    );
  }
  if (written.length !== shapes.length) {
    fail(`${shapes.length} operands do not fit the ${written.length} terms`);
  }
  const covered = written.map((term, i) => {
    const dots = term.includes("...");
    const letters = dots ? term.length - 3 : term.length;
    if (dots ? letters > shapes[i].length : letters !== shapes[i].length) {
      fail(`"${term}" does not fit ${formatShape(shapes[i])}`);
    }
    return shapes[i].length - letters;
  });
  const hidden = Math.max(0, ...covered);
  const terms = written.map((term, i) => labelsOf(term, covered[i]));
  const out = parts.length > 1 ? labelsOf(parts[1], hidden) : implied(terms, hidden);
  for (const [i, label] of out.entries()) {
    if (out.indexOf(label) !== i) fail(`"${label}" occurs twice in the result`);
    if (!terms.some((term) => term.includes(label))) fail(`"${label}" of the result is in no operand`);
  }
  return { terms, out, sizes: sizesOf(terms, shapes, fail) };
}

function labelsOf(term: string, covered: number): Label[] {
  const [before, after = ""] = term.split("...");
  const under = term.includes("...") ? Array.from({ length: covered }, (_, i) => String(covered - 1 - i)) : [];
  return [...before, ...under, ...after];
}

/**
 * Returns the labels of the result of an equation without "->". First come the labels of the dimensions for which "..."
 * stands (`hidden` is their number), then the letters that occur only once, in alphabetical order.
 */
function implied(terms: readonly Label[][], hidden: number): Label[] {
  const all = terms.flat();
  const once = [...new Set(all)].filter((l) => /[a-zA-Z]/.test(l) && all.indexOf(l) === all.lastIndexOf(l));
  return [...labelsOf("...", hidden), ...once.sort()];
}

/**
 * Returns the size of each label. If a label has size 1 in one operand and size n in another, its size is n. Within an
 * operand, dimensions with the same label must have equal sizes.
 */
function sizesOf(terms: readonly Label[][], shapes: readonly Shape[], fail: (why: string) => never) {
  const sizes = new Map<Label, number>();
  for (const [i, term] of terms.entries()) {
    for (const [d, label] of term.entries()) {
      const size = shapes[i][d];
      const own = shapes[i][term.indexOf(label)];
      if (own !== size)
        fail(`"${label}" has the sizes ${own} and ${size} within operand ${i} ${formatShape(shapes[i])}`);
      const known = sizes.get(label) ?? 1;
      if (known !== size && known !== 1 && size !== 1) fail(`"${label}" has the sizes ${known} and ${size}`);
      sizes.set(label, known === 1 ? size : known);
    }
  }
  return sizes;
}
