import { describe, it } from "vitest";
import { Generator, init, reference, square, type Tensor } from "./index.ts";
import { checkGrad, type FunctionName, inputValues, makeInput, type OpCase, opCases } from "./testing/index.ts";

const backend = await init(reference());

/** Functions whose gradients differ from finite differences: DoRA treats its row norms as constants. */
const heldConstant = new Set(["doraLinear"]);

const floatsOf = ({ inputs, gradients }: OpCase) =>
  gradients ?? inputs.flatMap(({ dtype = "f32" }, k) => (dtype === "f32" ? [k] : []));

/**
 * Number of elements that are checked in each input. `compositions.test.ts` compares all gradients that loops compute
 * with the gradients of other ops. A page runs the same JavaScript as Node, so it checks fewer.
 */
const elements = globalThis.process?.getBuiltinModule !== undefined ? 40 : 12;

function check(opCase: OpCase, order: 1 | 2): Promise<void> {
  const generator = new Generator(1);
  const tensors = opCase.inputs.map((input) => makeInput(input, inputValues(input, generator), backend));
  const run = (...t: Tensor[]) => [opCase.run(t)].flat();
  // Squares the results, so that linear functions also have gradients of gradients.
  const fn = order === 1 ? run : (...t: Tensor[]) => run(...t).map((y) => (y.dtype === "f32" ? square(y) : y));
  return checkGrad(fn, tensors, { inputs: floatsOf(opCase), order, elements });
}

/** Finite differences take four evaluations for each element. */
const largest = 400;

describe("gradients agree with finite differences", () => {
  for (const [name, cases] of Object.entries(opCases)) {
    for (const [i, opCase] of cases.entries()) {
      const sizes = opCase.inputs.map(({ shape }) => shape.reduce((a, b) => a * b, 1));
      if (floatsOf(opCase).length === 0 || Math.max(...sizes) > largest || sizes.includes(0)) continue;
      if (heldConstant.has(name)) continue;
      it(`${name} #${i + 1}`, () => check(opCase, 1));
    }
  }
});

describe("gradients of gradients agree with finite differences", () => {
  const names: FunctionName[] = [
    ...(["mul", "div", "pow", "exp", "log", "sqrt", "rsqrt", "tanh", "sigmoid", "erf", "sin"] as const),
    ...([
      "silu",
      "gelu",
      "geluTanh",
      "softplus",
      "clamp",
      "maximum",
      "where",
      "prod",
      "logsumexp",
      "variance",
    ] as const),
    ...([
      "matmul",
      "einsum",
      "gather",
      "indexSelect",
      "cat",
      "split",
      "slice",
      "permute",
      "cumsum",
      "topk",
      "solve",
    ] as const),
    ...([
      "softmax",
      "logSoftmax",
      "rmsNorm",
      "layerNorm",
      "swiglu",
      "geglu",
      "attention",
      "crossEntropy",
      "loraLinear",
    ] as const),
  ];
  for (const name of names) {
    const smooth = opCases[name].find(({ inputs }) =>
      inputs.every(({ shape }) => shape.length > 0 && !shape.includes(0)),
    );
    it(name, () => check(smooth as OpCase, 2));
  }
});
