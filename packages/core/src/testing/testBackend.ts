import { gradients } from "../autograd/autograd.ts";
import type { Backend } from "../backends/backend.ts";
import { reference } from "../backends/reference.ts";
import { scope } from "../engine/scope.ts";
import { memory } from "../engine/storage.ts";
import type { Tensor } from "../engine/tensor.ts";
import { checkOptions } from "../internal/checkOptions.ts";
import { formatShape } from "../layout/shape.ts";
import * as ops from "../ops/index.ts";
import { Generator } from "../random/random.ts";
import type { OpCase } from "./cases.ts";
import { expectClose, type Numbers } from "./expectClose.ts";
import { inputValues, makeInput } from "./input.ts";
import { memoryTests } from "./memoryTests.ts";
import { type FunctionName, opCases } from "./opCases.ts";
import { prepareStored } from "./weightCases.ts";

/** A test of the conformance suite. */
export interface BackendTest {
  readonly name: string;
  /** The reason why the backend cannot pass the test, from `declines`. Skip such a test. */
  readonly declined?: string;
  readonly run: () => Promise<void>;
}

/** Options of `testBackend`. */
export interface TestBackendOptions {
  /** Public functions that the backend cannot run, with the reasons. */
  declines?: Partial<Record<FunctionName, string>>;
}

interface Outcome {
  readonly values: Numbers[];
  readonly gradients: Numbers[];
}

/**
 * Returns the conformance suite for a backend. For each case of each public function, it compares values and gradients
 * with the reference backend and checks that all memory is freed. Tests of the backend's memory follow. Pass each test
 * to your test runner: `it(name, run)`.
 */
export function testBackend(backend: Backend, options: TestBackendOptions = {}): BackendTest[] {
  checkOptions("testBackend", options, { declines: true });
  const { declines = {} } = options;
  const functions = Object.entries(opCases).flatMap(([name, cases]) =>
    cases.map((opCase, i) => ({
      name: `${name} ${opCase.name ?? `#${i + 1} ${opCase.inputs.map(({ shape }) => formatShape(shape)).join(" ")}`}`,
      declined: declines[name as FunctionName],
      run: () => checkCase(backend, opCase),
    })),
  );
  return [...functions, ...memoryTests(backend)];
}

const expectedOutcomes = new WeakMap<OpCase, Promise<Outcome>>();

/** Returns the results of the reference backend, which are computed once for all tested backends. */
function expectedOutcome(opCase: OpCase): Promise<Outcome> {
  const outcome = expectedOutcomes.get(opCase) ?? runCase(reference(), opCase);
  expectedOutcomes.set(opCase, outcome);
  return outcome;
}

async function checkCase(backend: Backend, opCase: OpCase): Promise<void> {
  const expected = await expectedOutcome(opCase);
  await prepareStored(backend);
  const before = memory().buffers;
  const actual = await runCase(backend, opCase);
  const left = memory().buffers - before;
  const { tolerance = 1e-5 } = opCase;
  for (const [i, e] of expected.values.entries()) expectClose(`output ${i}`, actual.values[i], e, tolerance);
  for (const [i, e] of expected.gradients.entries()) expectClose(`gradient ${i}`, actual.gradients[i], e, tolerance);
  if (left !== 0) throw new Error(`${left} buffers were not freed`);
}

async function runCase(backend: Backend, { inputs, run, gradients: chosen }: OpCase): Promise<Outcome> {
  const generator = new Generator(1);
  const wanted = chosen ?? inputs.flatMap(({ dtype = "f32" }, i) => (dtype === "f32" ? [i] : []));
  const [outputs, slopes] = scope(() => {
    const tensors = inputs.map((input) => makeInput(input, inputValues(input, generator), backend));
    for (const i of wanted) tensors[i].requiresGrad = true;
    const results = [run(tensors)].flat();
    const roots = results.filter((t) => t.requiresGrad);
    const leaves = wanted.map((i) => tensors[i]);
    return [results, roots.length > 0 ? pullBack(roots, leaves, generator, backend) : []];
  });
  const numbers = (tensors: readonly Tensor[]) =>
    Promise.all(tensors.map(async (t) => ({ shape: t.shape, data: await t.data() })));
  const outcome = { values: await numbers(outputs), gradients: await numbers(slopes) };
  for (const t of [...outputs, ...slopes]) t.dispose();
  return outcome;
}

/** Returns the gradients of `leaves`, for a sum of all elements of the outputs with random weights. */
function pullBack(outputs: Tensor[], leaves: Tensor[], generator: Generator, backend: Backend): Tensor[] {
  const total = outputs
    .map((y) => {
      const weights = { shape: y.shape, low: 0.5, high: 1.5 };
      return ops.sumToShape(ops.mul(y, makeInput(weights, inputValues(weights, generator), backend)), { shape: [] });
    })
    .reduce((sum, part) => ops.add(sum, part));
  return gradients(total, leaves);
}
