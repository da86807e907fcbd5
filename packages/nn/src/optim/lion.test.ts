import { init, reference, tensor } from "@lowrank/core";
import { beforeAll, describe, expect, it } from "vitest";
import golden from "./lion.gen.json" with { type: "json" };
import { Lion, type LionOptions } from "./lion.ts";

beforeAll(() => init(reference()));

describe("Lion", () => {
  it.each(golden.cases)("takes bitsandbytes' steps with $options", ({ options, start, steps }) => {
    const param = tensor(start, { requiresGrad: true });
    using optimizer = new Lion([param], options as unknown as LionOptions);
    for (const { grad, param: expected } of steps) {
      param.grad = tensor(grad);
      optimizer.step();
      for (const [i, value] of param.dataSync().entries()) expect(Math.abs(value - expected[i])).toBeLessThan(1e-6);
    }
  });

  it("steps by 1e-4 without weight decay if no option is given", () => {
    const param = tensor([1, -2], { requiresGrad: true });
    using optimizer = new Lion([param]);
    expect(optimizer.groups[0]).toMatchObject({ lr: 1e-4, betas: [0.9, 0.99], weightDecay: 0 });
    param.grad = tensor([0, 3]);
    optimizer.step();
    expect(Array.from(param.dataSync())).toEqual([1, Math.fround(Math.fround(-2) - Math.fround(1e-4))]);
  });

  it("keeps one average, and refuses what is no share", () => {
    const param = tensor([1, -2], { requiresGrad: true });
    const optimizer = new Lion([param]);
    param.grad = tensor([3, -4]);
    optimizer.step();
    expect(Object.keys(optimizer.stateDict().state.get(0)?.tensors ?? {})).toEqual(["expAvg"]);
    expect(() => new Lion([param], { betas: [0.9, 1] })).toThrow("Lion: betas are 0.9,1; both must be at least 0");
  });
});
