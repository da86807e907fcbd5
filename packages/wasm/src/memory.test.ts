import { Generator, geglu, gradients, init, linear, mseLoss, ones, randn, rmsNorm, scope, zeros } from "@lowrank/core";
import { adamStep } from "@lowrank/core/internal";
import { expect, it } from "vitest";
import { wasm } from "./index.ts";

it("repeated steps of training leave the memory as the first ones did", async () => {
  const backend = await wasm();
  await init(backend);
  const generator = new Generator(1);
  const shapes = [[300, 120], [300, 120], [120, 300], [120]];
  const weights = shapes.map((shape) => randn(shape, { generator, requiresGrad: true }));
  const [gate, up, down, norm] = weights;
  const moments = shapes.map((shape) => [zeros(shape), zeros(shape)]);
  const [x, target] = [randn([64, 120], { generator }), ones([64, 120])];
  const settings = { lr: 1e-3, beta1: 0.9, beta2: 0.99, eps: 1e-8, weightDecay: 0, decoupled: true };
  const step = (count: number) =>
    scope(() => {
      const y = rmsNorm(x, norm, { eps: 1e-6 });
      const loss = mseLoss(linear(geglu(linear(y, gate), linear(y, up), {}), down), target);
      const grads = gradients(loss, weights);
      adamStep(...weights.flatMap((w, i) => [w.detach(), grads[i], ...moments[i]]), { ...settings, step: count });
    });
  for (let count = 1; count <= 3; count++) step(count);
  const before = backend.heapStats();
  expect(before.used).toBeGreaterThan(0);
  for (let count = 4; count <= 100; count++) step(count);
  expect(backend.heapStats()).toEqual(before);
});
