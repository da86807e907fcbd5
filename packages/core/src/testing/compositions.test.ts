import { describe, expect, it } from "vitest";
import "../index.ts";
import { gradients } from "../autograd/autograd.ts";
import type { TensorRef, TensorSpec } from "../backends/backend.ts";
import { reference } from "../backends/reference.ts";
import { definedOps, type OpDefinition } from "../engine/op.ts";
import { runOp } from "../engine/runOp.ts";
import { keep, scope } from "../engine/scope.ts";
import { allocate, Tensor } from "../engine/tensor.ts";
import { enableGrad } from "../modes/gradMode.ts";
import { add } from "../ops/binary/add.ts";
import { mul } from "../ops/binary/mul.ts";
import { sumTo } from "../ops/shapes/expand.ts";
import { Generator } from "../random/random.ts";
import type { OpCase } from "./cases.ts";
import { expectClose } from "./expectClose.ts";
import { inputValues, makeInput } from "./input.ts";
import { opCases } from "./opCases.ts";
import { primitiveLoops, primitiveNames } from "./primitiveKernels.ts";

const base = reference();

/** The arguments of one call of an op. */
interface Call {
  readonly op: OpDefinition<unknown>;
  readonly inputs: readonly Tensor[];
  readonly params: unknown;
}

function copied({ buffer, shape, dtype, packing }: TensorRef): Tensor {
  const copy = keep(allocate({ shape, dtype, packing }, base));
  base.write(copy.buffer, base.read(buffer) as Uint8Array);
  return copy;
}

/** Returns the calls, in one case, of ops that are composed of primitives. */
function callsIn(opCase: OpCase): Call[] {
  const calls: Call[] = [];
  const watched: typeof base = {
    ...base,
    run: (op, inputs, outputs, params) => {
      if (op.compose && !primitiveLoops(op, inputs)) {
        calls.push({ op: op as OpDefinition<unknown>, inputs: inputs.map(copied), params });
      }
      base.run(op, inputs, outputs, params);
    },
  };
  const generator = new Generator(1);
  opCase.run(opCase.inputs.map((input) => makeInput(input, inputValues(input, generator), watched)));
  return calls;
}

/** Outputs that the op's own gradient rule leaves out, since they are never differentiated. */
const heldConstant: Readonly<Record<string, readonly number[]>> = {
  attention: [1],
  crossEntropy: [1],
  documentAttention: [1],
  linearCrossEntropy: [1, 2],
};

const isFloat = ({ dtype }: TensorSpec): boolean => dtype === "f32";

/**
 * Returns gradients of an op's inputs by its own rule and through its composition. `own` is null if the rule returns
 * null.
 */
function bothGradients({ op, inputs, params }: Call): { own: Tensor | null; composed: Tensor }[] {
  const shapes = op.shape(inputs, params);
  const specs = Array.isArray(shapes) ? shapes : [shapes];
  const outputs = runOp(op, inputs, specs, params).map((storage, i) => new Tensor(storage, specs[i]));
  const generator = new Generator(2);
  const grads = specs.map((spec, i) => {
    const held = !isFloat(spec) || heldConstant[op.name]?.includes(i);
    const range = held ? { low: 0, high: 0 } : { low: 0.5, high: 1.5 };
    return makeInput({ shape: spec.shape }, inputValues({ shape: spec.shape, ...range }, generator), base);
  });
  const needs = inputs.map(isFloat);
  const context = { inputs, outputs, grads, arrived: specs.map(() => true), params, needs };
  const own = op.vjp?.({ ...context, inputSpecs: inputs, outputSpecs: specs }) ?? [];
  const leaves = inputs.filter(isFloat).map((t) => t.detach());
  for (const leaf of leaves) leaf.requiresGrad = true;
  const total = enableGrad(() => {
    const given = inputs.map((t, i) => (needs[i] ? leaves[inputs.slice(0, i).filter(isFloat).length] : t));
    const results = [op.compose?.(given, params)].flat() as Tensor[];
    const parts = results.flatMap((y, i) => (isFloat(y) ? [sumTo(mul(y, grads[i]), [])] : []));
    return parts.reduce((sum, part) => add(sum, part));
  });
  const composed = gradients(total, leaves);
  return composed.map((grad, i) => ({ own: own[inputs.indexOf(inputs.filter(isFloat)[i])], composed: grad }));
}

/** The ops of this package. Tests in the same page define others, whose names have a prefix. */
const ownOps = [...definedOps().values()].filter(({ name }) => !name.includes("/"));

describe("the registry", () => {
  const ops = ownOps.filter(({ view }) => !view);

  it("has no more than 45 primitives, and a composition for every other op", () => {
    expect(primitiveNames.size).toBeLessThanOrEqual(45);
    const without = ops.filter(({ compose }) => !compose).map(({ name }) => name);
    expect(without.filter((name) => !primitiveNames.has(name))).toEqual([]);
    expect([...primitiveNames].filter((name) => !definedOps().has(name))).toEqual([]);
  });

  it("has each composition run by a case", () => {
    const run = new Set(
      Object.values(opCases).flatMap((cases) => cases.flatMap((opCase) => callsIn(opCase).map(({ op }) => op.name))),
    );
    const composed = ops.filter(({ ref, compose }) => ref && compose).map(({ name }) => name);
    expect(composed.filter((name) => !run.has(name))).toEqual([]);
  });
});

/**
 * Ops without a gradient rule for their input. Requesting the gradient of the first two throws; the gradient of sign is
 * always 0.
 */
const noGradient = new Set(["linearInt8", "pagedAttention", "sign"]);

/** The number of calls of an op whose gradients are compared; more would not find more faults. */
const most = 12;

describe("gradients through a composition are those of the op's own rule", () => {
  const seen = new Map<string, number>();
  for (const [name, cases] of Object.entries(opCases)) {
    for (const [i, opCase] of cases.entries()) {
      if (opCase.gradients?.length === 0) continue;
      it(`${name} #${i + 1}`, () => {
        scope(() => {
          for (const call of callsIn(opCase)) {
            const { op, inputs } = call;
            const count = seen.get(op.name) ?? 0;
            if (!op.vjp || noGradient.has(op.name) || !inputs.some(isFloat) || count >= most) continue;
            seen.set(op.name, count + 1);
            for (const [k, { own, composed }] of bothGradients(call).entries()) {
              if (!own) continue;
              const [expected, actual] = [own, composed].map((t) => ({ shape: t.shape, data: t.dataSync() }));
              expectClose(`${op.name}: gradient ${k}`, actual, expected, 1e-5);
            }
          }
        });
      });
    }
  }

  it("which every op with both has shown", () => {
    const both = ownOps.filter(({ ref, compose, vjp }) => ref && compose && vjp);
    const names = both.map(({ name }) => name).filter((name) => !noGradient.has(name) && !seen.has(name));
    expect(names).toEqual([]);
  });
});
