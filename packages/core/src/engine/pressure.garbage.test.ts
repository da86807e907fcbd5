import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { full, init, keep, memory, mul, reference, relu, resetPeak, type Tensor, tensor } from "../index.ts";

// Loops as they are written in PyTorch: no scope, no dispose.

const size = 2 ** 18;
const mebibytes = 2 ** 20;
let weight: Tensor;

beforeEach(async () => {
  await init(reference());
  resetPeak();
  weight = tensor([1.5], { requiresGrad: true });
});

afterEach(() => weight.dispose());

/** One step whose results take 3 MiB. */
function step(): { hidden: Tensor; loss: Tensor } {
  const hidden = relu(mul(full([size], 0.5), weight));
  const loss = hidden.mean();
  loss.backward();
  weight.grad?.dispose();
  weight.grad = null;
  return { hidden, loss };
}

describe("a plain loop", () => {
  it("stays flat where it reads a loss now and then", async () => {
    const before = memory().bytes;
    for (let i = 0; i < 50; i++) {
      const { loss } = step();
      if (i % 5 === 0) expect(await loss.item()).toBe(0.75);
    }
    expect(memory().peakBytes - before).toBeLessThan(130 * mebibytes);
  });

  it("takes results of earlier steps back where the event loop never turns", () => {
    const before = memory().bytes;
    const inputs = full([size], 0.5);
    for (let i = 0; i < 60; i++) relu(mul(inputs, weight)).mean().backward();
    expect(memory().peakBytes - before).toBeLessThan(100 * mebibytes);
  });

  it("can read losses late, and all that was kept or cut from the graph", async () => {
    const steps = Array.from({ length: 15 }, step);
    const kept = Array.from({ length: 40 }, (_, i) => (i % 2 ? keep(step().hidden) : step().hidden));
    const cut = step().hidden.detach();
    for (let i = 0; i < 10; i++) step();
    const gone = kept.filter(({ isDisposed }) => isDisposed);
    expect(gone.length).toBeGreaterThan(10);
    await expect(gone[0].data()).rejects.toThrow(
      /^this tensor \[262144\] of relu was freed automatically after its backward pass.*keep\(\) it$/,
    );
    expect(kept.filter((_, i) => i % 2).every(({ isDisposed }) => !isDisposed)).toBe(true);
    expect((await cut.data())[0]).toBe(0.75);
    for (const { loss } of steps) expect(loss.itemSync()).toBe(0.75);
    for (const tensor of kept) tensor.dispose();
  });

  it("reads a tensor that is freed while the read is waited for", async () => {
    const { loss } = step();
    const read = loss.item();
    loss.dispose();
    expect(await read).toBe(0.75);
  });

  it("keeps what is used, however much it is", async () => {
    const held: Tensor[] = [];
    for (let i = 0; i < 32; i++) {
      const { hidden, loss } = step();
      held.push(hidden);
      await loss.item();
    }
    for (const tensor of held) expect((await tensor.data())[7]).toBe(0.75);
    for (const tensor of held) tensor.dispose();
  });
});
