import { backward, init, reference, type Tensor, tensor } from "@lowrank/core";
import { Module, Parameter } from "@lowrank/nn";
import { beforeAll, describe, expect, it } from "vitest";
import { flagOf, ModuleWatch } from "./nonFiniteStep.ts";
import { Trainer } from "./trainer.ts";

beforeAll(() => init(reference()));

it.each([
  [[1, 2, -3], 0],
  [[1, Number.POSITIVE_INFINITY], Number.NaN],
  [[Number.NEGATIVE_INFINITY, 0], Number.NaN],
  [[0, Number.NaN], Number.NaN],
])("the flag of %j is %d", async (values, flag) => {
  expect(await flagOf(tensor(values)).item()).toBe(flag);
});

describe("ModuleWatch", () => {
  class Scale {
    readonly by: number;
    constructor(by: number) {
      this.by = by;
    }
    forward(x: Tensor): Tensor {
      return x.mul(this.by);
    }
  }

  it("replaces forward of all modules except the root until it is disposed", () => {
    const [root, own, inherited] = [new Scale(1), new Scale(2), new Scale(3)];
    const forward = (x: Tensor) => x;
    own.forward = forward;
    const others = { "a table": {}, "a field": { forward: 3 } };
    {
      using _watch = new ModuleWatch([["", root], ["own", own], ["inherited", inherited], ...Object.entries(others)]);
      expect(Object.hasOwn(root, "forward")).toBe(false);
      expect(own.forward).not.toBe(forward);
      expect(Object.hasOwn(inherited, "forward")).toBe(true);
      expect(others).toEqual({ "a table": {}, "a field": { forward: 3 } });
    }
    expect(own.forward).toBe(forward);
    expect(Object.hasOwn(inherited, "forward")).toBe(false);
  });

  it("finds outputs before gradients, each in order of time", async () => {
    const [small, huge] = [new Scale(2), new Scale(3e38)];
    const modules: [string, Scale][] = [
      ["small", small],
      ["huge", huge],
    ];
    const first = async (run: () => void) => {
      using watch = new ModuleWatch(modules);
      run();
      const found = await watch.first();
      return found && { path: found.path, what: found.what };
    };
    const x = new Parameter(tensor([1, 1]));
    expect(await first(() => void huge.forward(small.forward(x)))).toEqual({ path: "huge", what: "output" });
    expect(await first(() => void small.forward(x))).toBeNull();
    // The root of 0 has an infinite derivative, which reaches the last module first.
    const roots = () =>
      backward(
        huge
          .forward(small.forward(x.mul(0)))
          .sqrt()
          .sum(),
      );
    expect(await first(roots)).toEqual({ path: "huge", what: "gradient" });
  });
});

describe("a refused step without modules", () => {
  class Parameters extends Module {
    first = new Parameter(tensor([1]));
    second = new Parameter(tensor([0]));
    third = new Parameter(tensor([1]));
    frozen = new Parameter(tensor([0]), { requiresGrad: false });
  }
  const refusal = (loss: (model: Parameters) => Tensor, more: object = {}) => {
    const task = { collate: () => 0, loss, learningRate: 0.1, maxSteps: 1, ...more };
    return expect(new Trainer(new Parameters(), [1], task).train()).rejects;
  };

  it("names the first parameter whose gradient is not finite", async () => {
    await refusal(({ first, second }) => first.add(second.sqrt())).toThrow(
      "Trainer: the gradient norm of step 1 is Infinity; lower learningRate (0.1) or maxGradNorm (1). The weights are as they were; the first gradient that is not finite belongs to second",
    );
  });

  it("states that everything is finite if only the sum is not", async () => {
    const large = ({ first, third }: Parameters) => first.add(third).mul(2e38).sub(3e38);
    await refusal(large, { maxGradNorm: 0 }).toThrow(
      /^Trainer: the (loss|gradient norm) of step 1 is Infinity; lower learningRate \(0\.1\) or set maxGradNorm, which is off\. The weights are as they were; the outputs and gradients of all modules are finite by themselves$/,
    );
  });
});
