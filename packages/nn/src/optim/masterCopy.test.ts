import {
  copyInto,
  init,
  keep,
  memory,
  noGrad,
  reference,
  scope,
  type Tensor,
  tensor,
  to,
  withBackend,
} from "@lowrank/core";
import { deferred, primitives } from "@lowrank/core/testing";
import { describe, expect, it } from "vitest";
import { Adagrad } from "./adagrad.ts";
import { Adam, AdamW } from "./adam.ts";
import { AdamW8bit } from "./adamW8bit.ts";
import { clipGradNorm } from "./clipGradNorm.ts";
import { RMSprop } from "./rmsprop.ts";
import { SGD } from "./sgd.ts";

const tiny = { lr: 1e-6 };
/** Each optimiser, with steps that rounding to half precision would lose. */
const optimizers = {
  SGD: (params: Tensor[]) => new SGD(params, tiny),
  "SGD with momentum": (params: Tensor[]) => new SGD(params, { ...tiny, momentum: 0.9, weightDecay: 0.1 }),
  Adam: (params: Tensor[]) => new Adam(params, tiny),
  AdamW: (params: Tensor[]) => new AdamW(params, { ...tiny, weightDecay: 0.1 }),
  AdamW8bit: (params: Tensor[]) => new AdamW8bit(params, { ...tiny, min8bitSize: 1 }),
  Adagrad: (params: Tensor[]) => new Adagrad(params, tiny),
  RMSprop: (params: Tensor[]) => new RMSprop(params, { lr: 1e-7, momentum: 0.9 }),
};
const start = [0.0078125, -0.0078125, 0.01171875, 1];
const gradient = [1, -0.5, 2, 1];

function leaf(dtype: "f32" | "f16" | "bf16"): Tensor {
  const param = keep(scope(() => to(tensor(start), { dtype })));
  param.requiresGrad = true;
  return param;
}

function giveGradient(param: Tensor): void {
  param.grad?.dispose();
  param.grad = keep(scope(() => to(tensor(gradient), { dtype: param.dtype })));
}

const values = (t: Tensor) => scope(() => to(t.detach(), { dtype: "f32" })).data();

describe.each(Object.entries(optimizers))("%s", (_name, make) => {
  it.each(["bf16", "f16"] as const)("takes 1,000 tiny steps of a %s parameter as of an f32 one", async (dtype) => {
    await init(reference());
    const [half, full] = [leaf(dtype), leaf("f32")];
    using ofHalf = make([half]);
    using ofFull = make([full]);
    for (const param of [half, full]) giveGradient(param);
    ofHalf.step();
    ofFull.step();
    // One step is too small to change the half-precision values.
    expect(await values(half)).toEqual(Float32Array.from(start));
    for (let i = 1; i < 1000; i++) for (const optimizer of [ofHalf, ofFull]) optimizer.step();
    const { master } = ofHalf.stateDict().state.get(0)!.tensors;
    expect(await master.data()).toEqual(await full.data());
    const rounded = await values(scope(() => to(full.detach(), { dtype })));
    expect(await values(half)).toEqual(rounded);
    expect(rounded[0]).toBeLessThan(start[0]);
  });
});

/** Runs `fn` (synchronously) with `backend` for new tensors. */
const on = <T>(backend: ReturnType<typeof reference>, fn: () => T): T => withBackend(backend, fn);

describe.each([
  ["reference", reference()],
  ["primitives", primitives()],
  ["deferred", deferred()],
])("a master copy on %s", (_name, backend) => {
  const make = () =>
    on(backend, () => {
      const param = leaf("bf16");
      giveGradient(param);
      return { param, optimizer: new AdamW([param], { lr: 1e-6, weightDecay: 0 }) };
    });

  it("is in the saved state, with which a run goes on to the bit", async () => {
    const [straight, first] = [make(), make()];
    for (let i = 0; i < 200; i++) straight.optimizer.step();
    for (let i = 0; i < 70; i++) first.optimizer.step();
    const { param } = first;
    const resumed = new AdamW([param]);
    resumed.loadStateDict(first.optimizer.stateDict());
    for (let i = 70; i < 200; i++) resumed.step();
    expect(await param.bytes()).toEqual(await straight.param.bytes());
    const without = first.optimizer.stateDict();
    delete without.state.get(0)!.tensors.master;
    expect(() => resumed.loadStateDict(without)).toThrow('state "master" of parameter 0 [4] is missing');
  });

  it("gives way where others have written into the parameter", async () => {
    const { param, optimizer } = make();
    optimizer.step();
    const written = [3, -0.0078125, 0.01171875, 1];
    on(backend, () => noGrad(() => scope(() => copyInto(param, to(tensor(written), { dtype: "bf16" })))));
    optimizer.step();
    const { master } = optimizer.stateDict().state.get(0)!.tensors;
    const numbers = await master.data();
    expect(numbers[0]).toBeCloseTo(3 - 1e-6, 6);
    expect(numbers[1]).toBeCloseTo(start[1] + 2e-6, 8);
  });

  it("stays as it is, and its parameter, where a guard refuses the step", async () => {
    const { param, optimizer } = make();
    optimizer.step();
    const { master } = optimizer.stateDict().state.get(0)!.tensors;
    const [before, bytes] = [await master.data(), await param.bytes()];
    const guard = on(backend, () => tensor([Number.NaN]));
    optimizer.step(guard);
    expect([await master.data(), await param.bytes()]).toEqual([before, bytes]);
    optimizer.takeBackStep();
    on(backend, () =>
      copyInto(
        guard,
        scope(() => tensor([0])),
      ),
    );
    optimizer.step(guard);
    expect(await master.data()).not.toEqual(before);
  });

  it("takes no memory that grows", async () => {
    const { optimizer } = make();
    optimizer.step();
    const { buffers } = memory();
    for (let i = 0; i < 20; i++) optimizer.step();
    expect(memory().buffers).toBe(buffers);
  });

  it("has its gradients clipped with those of f32", async () => {
    const { param } = make();
    const wide = on(backend, () => leaf("f32"));
    on(backend, () => giveGradient(wide));
    const norm = clipGradNorm([param, wide], 0.5);
    expect(await norm.item()).toBeCloseTo(Math.sqrt(12.5), 5);
    const factor = 0.5 / Math.sqrt(12.5);
    const clipped = await values(param.grad!);
    const exact = await wide.grad!.data();
    for (const [i, g] of gradient.entries()) {
      expect(exact[i]).toBeCloseTo(g * factor, 5);
      expect(Math.abs(clipped[i] / (g * factor) - 1)).toBeLessThan(2 ** -8);
    }
  });
});
