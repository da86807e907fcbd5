import { describe, expect, it } from "vitest";
import { gradients } from "../autograd/autograd.ts";
import type { Backend } from "../backends/backend.ts";
import { reference } from "../backends/reference.ts";
import { ones } from "../creation/create.ts";
import { tensor } from "../creation/makeTensor.ts";
import type { Tensor } from "../engine/tensor.ts";
import { deferred, expectClose, primitives } from "../testing/index.ts";
import * as f from "./index.ts";
import golden from "./windows.gen.json" with { type: "json" };

// PyTorch's results, written by conformance/python/windows.py.

interface Stored {
  readonly shape: readonly number[];
  readonly values: readonly number[];
}

type Options = Readonly<Record<string, number | boolean | readonly number[]>>;

const convolutions = { conv1d: f.conv1d, conv2d: f.conv2d };
const pools = { avgPool1d: f.avgPool1d, avgPool2d: f.avgPool2d, maxPool1d: f.maxPool1d, maxPool2d: f.maxPool2d };

const base = reference();
const made = ({ shape, values }: Stored, backend: Backend) => {
  const t = tensor(values, { shape, backend });
  t.requiresGrad = true;
  return t;
};

/** Calls the function with this name. A list of one number is the setting of a 1-D function. */
function call(name: string, given: Options, inputs: Tensor[]): Tensor {
  const options = Object.fromEntries(
    Object.entries(given).map(([key, value]) => [key, Array.isArray(value) && value.length === 1 ? value[0] : value]),
  );
  if (name === "conv1d" || name === "conv2d") return convolutions[name](inputs[0], inputs[1], inputs[2], options);
  const { kernelSize, ...rest } = options;
  return pools[name as "maxPool2d"](inputs[0], kernelSize as number, rest);
}

async function expectNumbers(what: string, t: Tensor, { shape, values }: Stored): Promise<void> {
  expectClose(what, { shape: t.shape, data: await t.data() }, { shape, data: values }, 2e-6);
}

describe.each([
  ["reference", base],
  ["primitives", primitives()],
  ["deferred", deferred()],
])("windows on %s", (_name, backend) => {
  for (const [i, { name, options, ...stored }] of golden.entries()) {
    it(`${name} #${i}: PyTorch's values, gradients and gradients of gradients`, async () => {
      const inputs = stored.inputs.map((input) => made(input, backend));
      const dout = made(stored.dout, backend);
      const out = call(name, options as unknown as Options, inputs);
      await expectNumbers("out", out, stored.out);
      const grads = gradients(out, inputs, { gradient: dout, createGraph: true });
      for (const [k, grad] of grads.entries()) await expectNumbers(`gradient ${k}`, grad, stored.grads[k]);
      const squares = grads.map((grad) => f.sum(f.square(grad))).reduce((a, b) => f.add(a, b));
      await expectNumbers("second", gradients(squares, [dout])[0], stored.second);
    });
  }
});

describe("misuse", () => {
  const image = ones([2, 4, 5, 5], { backend: base });
  const filters = (...shape: number[]) => ones(shape, { backend: base });

  it("names the function, the sizes and the fix", () => {
    expect(() => f.conv2d(image, filters(3, 2, 3, 3))).toThrow(
      "conv2d: the weight [3,2,3,3] needs 2 channels per group, but the input [2,4,5,5] in 1 group has 4",
    );
    expect(() => f.conv2d(image, filters(3, 2, 3, 3), null, { groups: 2 })).toThrow(
      "conv2d: groups is 2; expected a whole number that divides 4 channels and 3 filters",
    );
    expect(() => f.conv2d(image, filters(3, 4, 3, 3), filters(4))).toThrow("conv2d: the bias [4] is not [3]");
    expect(() => f.conv2d(image, filters(3, 4, 7, 3))).toThrow(
      "conv2d: a window of height 7 does not fit into a height of 5 with padding 0",
    );
    expect(() => f.conv2d(filters(5, 5), filters(3, 4, 3, 3))).toThrow(
      "conv2d: the input [5,5] has 2 dimensions; give [N,C,H,W], or [C,H,W] without a batch",
    );
    expect(() => f.conv1d(filters(4, 5), filters(3, 4, 3, 3))).toThrow("conv1d: the weight [3,4,3,3] is not [filters");
    expect(() => f.conv2d(image, filters(3, 4, 3, 3), null, { padding: "same" as unknown as number })).toThrow(
      "conv2d: padding is same x same; expected whole numbers of at least 0",
    );
    expect(() => f.maxPool2d(image, 3, { padding: 2 })).toThrow(
      "maxPool2d: padding 2 x 2 is more than half of kernelSize 3 x 3",
    );
    expect(() => f.avgPool2d(image, [2, 0])).toThrow("avgPool2d: kernelSize is 2 x 0; expected whole numbers");
    expect(() => f.fold(filters(2, 12, 7), 5, 2)).toThrow(
      "fold: [2,3,4,7] are not the windows of an output of 5 x 5; expected [...,4,16]",
    );
  });
});

it("fold adds what unfold repeats, in PyTorch's layout", () => {
  const x = tensor(
    Array.from({ length: 9 }, (_, i) => i),
    { shape: [1, 1, 3, 3], backend: base },
  );
  const columns = f.unfold(x, 2);
  expect(columns.shape).toEqual([1, 4, 4]);
  expect([...columns.dataSync()]).toEqual([0, 1, 3, 4, 1, 2, 4, 5, 3, 4, 6, 7, 4, 5, 7, 8]);
  expect([...f.fold(columns, 3, 2).dataSync()]).toEqual([0, 2, 2, 6, 16, 10, 6, 14, 8]);
});
