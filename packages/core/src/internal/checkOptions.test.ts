import { beforeAll, expect, it } from "vitest";
import * as core from "../index.ts";
import * as internal from "../internal.ts";
import { inputValues, makeInput, opCases } from "../testing/index.ts";

beforeAll(async () => {
  await core.init(core.reference());
});

const { tensor, ones } = core;
// biome-ignore lint/suspicious/noExplicitAny: calls from JavaScript have no types
const loose = { ...core, ...internal } as any;

it.each<[string, () => unknown, string]>([
  [
    "tensor",
    () => loose.tensor([1], { requires_grad: true }),
    "tensor: there is no option requires_grad; did you mean requiresGrad?",
  ],
  ["zeros", () => loose.zeros([1], { dytpe: "i32" }), "zeros: there is no option dytpe; did you mean dtype?"],
  ["zeros with sizes", () => loose.zeros(1, { require_grad: true }), "did you mean requiresGrad?"],
  ["full", () => loose.full([1], 1, { device: "cpu" }), "full: there is no option device; "],
  ["arange", () => loose.arange(1, 2, 1, { type: "i32" }), "arange: there is no option type; did you mean dtype?"],
  ["randn", () => loose.randn([1], { seed: 1 }), "randn: there is no option seed; "],
  ["sum", () => loose.sum(ones(2), { axis: 0 }), "sum: there is no option axis; "],
  [
    "mean",
    () => loose.mean(ones(2), { dim: 0, keep_dim: true }),
    "mean: there is no option keep_dim; did you mean keepdim?",
  ],
  ["softmax", () => loose.softmax(ones(2), { axis: 0 }), "softmax: there is no option axis; "],
  [
    "mseLoss",
    () => loose.mseLoss(ones(2), ones(2), { size_average: true }),
    "mseLoss: there is no option size_average; ",
  ],
  ["mseLoss", () => loose.mseLoss(ones(2), ones(2), { reduction: "avg" }), 'mseLoss: reduction is "avg"; it must be'],
  [
    "crossEntropy",
    () => loose.crossEntropy(ones(1, 2), tensor([0], { dtype: "i32" }), { ignore_index: 1 }),
    "did you mean ignoreIndex?",
  ],
  ["flatten", () => loose.flatten(ones(2), { start_dim: 0 }), "did you mean startDim?"],
  ["backward", () => loose.backward(ones(1), undefined, { retain_graph: true }), "did you mean retainGraph?"],
  ["valueAndGrad", () => loose.valueAndGrad(core.neg, { argnum: [1] }), "did you mean argnums?"],
  ["conv2d", () => loose.conv2d(ones(1, 1, 1, 1), ones(1, 1, 1, 1), null, { group: 1 }), "did you mean groups?"],
  ["maxPool2d", () => loose.maxPool2d(ones(1, 1, 2, 2), 2, { ceil_mode: true }), "did you mean ceilMode?"],
  ["clamp", () => loose.clamp(ones(1), { mn: 1 }), "clamp: there is no option mn; did you mean min?"],
])("%s refuses an unknown option", (_name, run, message) => {
  expect(run).toThrow(message);
});

it("takes an option only where the list of names holds true", () => {
  const keys = { dim: true, keepdim: false } as unknown as { dim: true; keepdim: true };
  expect(() => internal.checkOptions("f", { dim: 1 }, keys)).not.toThrow();
  expect(() => internal.checkOptions("f", { keepdim: true }, keys)).toThrow("f: there is no option keepdim");
  expect(() => loose.checkOptions("f", { toString: 1 }, keys)).toThrow("f: there is no option toString");
});

it("takes options that are undefined, and lists all where none is near", () => {
  expect(() => core.sum(ones(1), undefined)).not.toThrow();
  const error = internal.unknownOption("here", "zzzzzzzz", ["a", "b"]);
  expect(error.message).toBe("here: there is no option zzzzzzzz; there are a, b");
  expect(internal.unknownOption("f", "zzzzzzzz", ["a"]).message).toBe("f: there is no option zzzzzzzz; there are a");
  expect(internal.unknownOption("f", "a", []).message).toBe("f: there is no option a; it has none");
});

it.each([
  [3, "3"],
  ["dim", "dim"],
  [null, "null"],
  [[1, 2], "the list [1,2]"],
])("options that are no object are refused: %j", (options, shown) => {
  const message = `sum: options are an object, { dim, keepdim }, and ${shown} was given`;
  expect(() => internal.checkOptions("sum", options as object, { dim: true, keepdim: true } as object)).toThrow(
    message,
  );
});

/** Returns the names of the ops that get parameters in some case of the conformance suite. */
function opsWithParameters(): Set<string> {
  const found = new Set<string>();
  const spy = new Proxy(core.reference(), {
    get: (backend, key) => {
      if (key !== "run") return Reflect.get(backend, key, backend);
      return (...call: Parameters<core.Backend["run"]>) => {
        if (call[3] !== undefined) found.add(call[0].name);
        backend.run(...call);
      };
    },
  });
  const generator = new core.Generator(1);
  for (const { inputs, run } of Object.values(opCases).flat()) {
    core.scope(() => void run(inputs.map((input) => makeInput(input, inputValues(input, generator), spy))));
  }
  return found;
}

it("every op that users call with options names them, and so refuses others", () => {
  const byOptimisersAndGradients = /Step(8bit)?$|Backward$/;
  // The public functions of these ops take numbers and options, and check them.
  const wrapped = new Set(["cat", "split", "amax", "amin", "max", "min", "topk", "permute", "flip"]);
  const asked = [...opsWithParameters()].filter(
    (name) => !byOptimisersAndGradients.test(name) && !wrapped.has(name) && "definition" in (loose[name] ?? {}),
  );
  expect(asked).toEqual(expect.arrayContaining(["clamp", "rope", "layerNorm", "clipToNorm"]));
  expect(asked.filter((name) => !loose[name].definition.options)).toEqual([]);
});
