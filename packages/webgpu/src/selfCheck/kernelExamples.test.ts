import { type Backend, Generator, gradients, reference, scope, type Tensor } from "@lowrank/core";
import { byteLength, type OpDefinition, sizeOf, type TensorSpec, viewOf } from "@lowrank/core/backend";
import { type FunctionName, inputValues, makeInput, opCases } from "@lowrank/core/testing";
import { expect, it } from "vitest";
import type { ExampleOf } from "../kernel/kernel.ts";
import { kernels } from "../kernels/index.ts";
import { knowFormats } from "../testing/knowFormats.ts";
import { exampleBytes } from "./selfCheck.ts";

type Op = OpDefinition<unknown>;

interface Call {
  readonly op: Op;
  readonly inputs: readonly TensorSpec[];
  readonly params: unknown;
}

/** Functions whose ops and gradient ops have kernels that are checked. */
const functions: readonly FunctionName[] = [
  ...(["adagradStep", "adamStep", "adamStep8bit", "addInto", "argmax", "attention", "cacheWrite"] as const),
  ...([
    "clipToNorm",
    "crossEntropy",
    "cumsum",
    "dropout",
    "embedding",
    "geglu",
    "gelu",
    "gradNorm",
    "layerNorm",
  ] as const),
  ...([
    "linearCrossEntropy",
    "logSoftmax",
    "loraLinear",
    "lowRankRows",
    "matmul",
    "max",
    "min",
    "pagedAttention",
  ] as const),
  ...([
    "pagedWrite",
    "rmsNorm",
    "rmspropStep",
    "rope",
    "sampleTokens",
    "scaleInPlace",
    "sgdStep",
    "sigmoid",
    "silu",
    "softmax",
  ] as const),
  ...(["swiglu", "topk"] as const),
];

/** Returns the ops that the cases of these functions and their gradients run. */
function callsOfCases(): Map<string, Call[]> {
  const calls = new Map<string, Call[]>();
  const host = reference();
  const supports = (op: Op, inputs: readonly TensorSpec[], params: unknown): boolean => {
    const specs = inputs.map(({ shape, dtype, packing }) => ({ shape, dtype, packing }));
    calls.set(op.name, [...(calls.get(op.name) ?? []), { op, inputs: specs, params }]);
    return host.supports(op, inputs, params);
  };
  const backend = new Proxy(host, {
    get: (target, key) => (key === "supports" ? supports : Reflect.get(target, key, target)),
  }) as Backend;
  for (const name of functions) {
    for (const { inputs, run, gradients: chosen } of opCases[name] ?? []) {
      const generator = new Generator(1);
      scope(() => {
        const tensors = inputs.map((input) => makeInput(input, inputValues(input, generator), backend));
        const floats = chosen ? chosen.map((i) => tensors[i]) : tensors.filter(({ dtype }) => dtype === "f32");
        for (const t of floats) t.requiresGrad = true;
        const roots = [run(tensors)].flat().filter((t: Tensor) => t.requiresGrad);
        if (roots.length > 0)
          gradients(
            roots.map((t) => t.sum()).reduce((a, b) => a.add(b)),
            floats,
          );
      });
    }
  }
  return calls;
}

knowFormats();
const calls = callsOfCases();
const checked = kernels.flatMap(({ op, example }) =>
  example ? [{ op, example: example as unknown as ExampleOf<unknown> }] : [],
);

it.each(checked)("the example of $op is a small call of it, with numbers that show errors", ({ op: name, example }) => {
  const own = calls.get(name) ?? [];
  expect(own.length, "calls of it in the cases").toBeGreaterThan(0);
  for (const { op, inputs, params } of own) {
    const made = example(inputs, params);
    if (!made) continue;
    // The example is of the same kind as the call.
    const dtypes = (specs: readonly TensorSpec[]) => new Set(specs.map(({ dtype }) => dtype));
    expect(dtypes(made.inputs)).toEqual(dtypes(inputs));
    const specs = [op.shape(made.inputs, made.params)].flat();
    for (const { shape } of [...made.inputs, ...specs]) expect(sizeOf(shape)).toBeLessThan(50_000);
    if (!op.ref || made.inputs.some(({ packing }) => packing)) continue;
    const views = made.inputs.map((spec, i) => viewOf(spec, exampleBytes(made.inputs)[i].slice().buffer, 0));
    const before = views.map(({ data }) => Array.from(data as Float32Array));
    const outputs = specs.map((spec) => viewOf(spec, new ArrayBuffer(byteLength(spec)), 0));
    op.ref(views, outputs, made.params);
    const results = (outputs.length > 0 ? outputs : views).map(({ data }) => Array.from(data as Float32Array));
    for (const values of results) expect(values.every((value) => Number.isFinite(value))).toBe(true);
    if (outputs.length > 0) expect(results.flat().some((value) => value !== 0)).toBe(true);
    // A step that only tests its guard does not change its tensors.
    else if (!(params as { guard?: string } | undefined)?.guard) expect(results).not.toEqual(before);
  }
});
