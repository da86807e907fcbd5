import { Generator, init, memory, randn, reference, resetPeak, type Tensor } from "@lowrank/core";
import { expect, it } from "vitest";
import { Linear } from "./layers/linear/linear.ts";
import { AdamW } from "./optim/adam.ts";

// Each step makes at least 128 KiB of garbage: in all, 1.5 times the ceiling.
const ceiling = 200 * 2 ** 20;
const steps = 2500;

it(`a loop of ${steps} steps that frees nothing itself stays flat`, async () => {
  await init(reference());
  const generator = new Generator(1);
  const layers = [Linear.create(2, 8, { generator }), Linear.create(8, 1, { generator })];
  const optimizer = new AdamW(
    layers.flatMap((layer) => [...layer.parameters()]),
    { lr: 1e-2 },
  );
  const step = (): Tensor => {
    const x = randn([8, 2], { generator });
    const loss = layers[1]
      .forward(layers[0].forward(x).relu())
      .sub(x.sum({ dim: 1, keepdim: true }))
      .square()
      .mean();
    // An intermediate result of the size that real models produce.
    loss.expand([2 ** 14]).square();
    optimizer.zeroGrad();
    loss.backward();
    optimizer.step();
    return loss;
  };
  resetPeak();
  const losses: number[] = [];
  for (let i = 0; i < steps; i++) {
    const loss = step();
    if (i % 100 === 0) losses.push(await loss.item());
  }
  expect(steps * 2 ** 17).toBeGreaterThan(1.5 * ceiling);
  expect(losses.at(-1)).toBeLessThan(losses[0] / 10);
  expect(memory().peakBytes).toBeLessThan(ceiling);
});
