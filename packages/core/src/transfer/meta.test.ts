import { beforeAll, describe, expect, it } from "vitest";
import {
  type Backend,
  checkpoint,
  currentBackend,
  Generator,
  init,
  linearCrossEntropy,
  type MetaBackend,
  memory,
  meta,
  quantize4bit,
  rand,
  reference,
  resetPeak,
  rmsNorm,
  scope,
  type Tensor,
  tensor,
  withBackend,
  zeros,
} from "../index.ts";
import { loraLinear } from "../internal.ts";

beforeAll(async () => {
  await init(reference());
});

/** Returns the peak of planned bytes. */
function peakOf({ events }: MetaBackend): number {
  let [live, peak] = [0, 0];
  for (const { buffer, freed } of events) {
    live += freed ? -buffer.planned : buffer.planned;
    peak = Math.max(peak, live);
  }
  return peak;
}

function step(dim: number, forgetful: boolean): void {
  const generator = new Generator(1);
  const draw = (shape: number[], requiresGrad = false) => rand(shape, { generator, requiresGrad });
  scope(() => {
    const [w, a, b] = [draw([dim, dim]), draw([2, dim], true), draw([dim, 2], true)];
    const [norm, head] = [draw([dim], true), draw([12, dim])];
    const block = (h: Tensor) => loraLinear(rmsNorm(h, norm, { eps: 1e-5 }), w, a, b, { scaling: 2 });
    let x = draw([3, 5, dim]);
    for (let i = 0; i < 4; i++) x = (forgetful ? checkpoint(block) : block)(x);
    const labels = tensor(new Int32Array(15), { shape: [3, 5] });
    linearCrossEntropy(x, head, labels).backward();
    for (const t of [a, b, norm]) t.grad?.dispose();
  });
}

describe("meta", () => {
  it.each([false, true])("asks for what the reference backend holds, checkpointing %s", (forgetful) => {
    const before = memory().bytes;
    resetPeak();
    step(8, forgetful);
    const real = memory().peakBytes - before;
    const backend = meta();
    resetPeak();
    withBackend(backend, () => step(8, forgetful));
    expect(peakOf(backend)).toBe(real);
    expect(memory().peakBytes).toBe(before);
    const [made, freed] = [false, true].map((f) => backend.events.filter((event) => event.freed === f).length);
    expect(freed).toBe(made);
  });

  it("takes a model of a terabyte, and no memory", () => {
    const backend = meta();
    resetPeak();
    const before = memory().peakBytes;
    withBackend(backend, () => step(500_000, false));
    expect(peakOf(backend)).toBeGreaterThan(1e12);
    expect(memory().peakBytes).toBe(before);
  });

  it("is not counted among the buffers that hold something", () => {
    const before = memory();
    using _ = meta().tensor({ shape: [2, 3], dtype: "f32" });
    expect(memory()).toEqual(before);
  });

  it("names the op that made a buffer", () => {
    const backend = meta();
    using x = backend.tensor({ shape: [2, 3], dtype: "bf16" });
    using y = x.to("f32");
    expect(y.shape).toEqual([2, 3]);
    expect(backend.events.map(({ buffer: { planned, label } }) => [planned, label])).toEqual([
      [12, "data"],
      [24, "to"],
    ]);
  });

  it("plans whole alignments of the backend that it is like", () => {
    const plans = (backend: MetaBackend) => [0, 1, 3, 255, 256, 257].map((bytes) => backend.planned(bytes));
    expect(plans(meta())).toEqual([0, 1, 3, 255, 256, 257]);
    expect(meta().alignment).toBe(1);
    const like = meta({ like: { ...reference(), alignment: 256, maxTensors: 7 } });
    expect(plans(like)).toEqual([0, 256, 256, 256, 256, 512]);
    expect([like.alignment, like.maxTensors]).toEqual([256, 7]);
  });

  it("counts a packed weight as it is stored", () => {
    const backend = meta();
    using full = backend.tensor({ shape: [64, 64], dtype: "f32" });
    using w = quantize4bit(full, { blockSize: 64, doubleQuant: true });
    expect(w.size).toBe(4096);
    expect(backend.events[1].buffer.planned).toBeLessThan(4096 * 0.6);
  });

  it("has no data to give", async () => {
    using x = meta().tensor({ shape: [], dtype: "f32" });
    expect(() => x.itemSync()).toThrow("have shapes and no data");
  });
});

describe("withBackend", () => {
  it("puts the backend back, after an error too", () => {
    const before: Backend = currentBackend();
    const other = meta();
    expect(withBackend(other, () => zeros([2]).storage.backend)).toBe(other);
    expect(() =>
      withBackend(other, () => {
        throw new Error("no");
      }),
    ).toThrow("no");
    expect(currentBackend()).toBe(before);
  });
});
