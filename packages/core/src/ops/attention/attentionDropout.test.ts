import { describe, expect, it } from "vitest";
import { gradients } from "../../autograd/autograd.ts";
import { checkpoint } from "../../autograd/checkpoint.ts";
import type { Backend } from "../../backends/backend.ts";
import { reference } from "../../backends/reference.ts";
import { tensor } from "../../creation/makeTensor.ts";
import { randn } from "../../creation/randomTensors.ts";
import { memory } from "../../engine/storage.ts";
import type { Tensor } from "../../engine/tensor.ts";
import { expand } from "../../functional/index.ts";
import { defaultGenerator, manualSeed } from "../../random/manualSeed.ts";
import { Generator } from "../../random/random.ts";
import { checkGrad, deferred, expectClose, primitives } from "../../testing/index.ts";
import { permute } from "../shapes/permute.ts";
import { attention } from "./attention.ts";
import golden from "./attentionDropout.gen.json" with { type: "json" };
import { scaledDotProductAttention } from "./scaledDotProductAttention.ts";

// PyTorch's results, written by conformance/python/attention_dropout.py.

interface Stored {
  readonly shape: readonly number[];
  readonly values: readonly number[];
}

const { p: dropoutP } = golden;
const base = reference();
const numbersOf = async (t: Tensor) => ({ shape: t.shape, data: await t.data() });
const stored = ({ shape, values }: Stored) => ({ shape, data: values });
const made = ({ shape, values }: Stored, backend: Backend) => tensor(values, { shape, backend });

describe.each([
  ["reference", base],
  ["primitives", primitives()],
  ["deferred", deferred()],
])("attention with dropout on %s", (_name, backend) => {
  it("is PyTorch's for a given mask, values and gradients", async () => {
    const [q, k, v] = [golden.q, golden.k, golden.v].map((one) => made(one, backend));
    for (const t of [q, k, v]) t.requiresGrad = true;
    const generator = new Generator(5);
    const uniform = new Float32Array(golden.keep.values.length);
    new Generator(5).fillUniform(uniform);
    expect(Array.from(uniform, (u) => Number(u >= dropoutP))).toEqual(golden.keep.values);
    const out = scaledDotProductAttention(q, k, v, { dropoutP, generator, enableGqa: true });
    expect(generator.offset).toBe(uniform.length);
    const grads = gradients(out, [q, k, v], { gradient: made(golden.dout, backend) });
    const expected = [golden.out, golden.dq, golden.dk, golden.dv];
    for (const [i, t] of [out, ...grads].entries()) {
      expectClose(`tensor ${i}`, await numbersOf(t), stored(expected[i]), 1e-5);
    }
  });
});

it("has PyTorch's mean and variance over many draws", async () => {
  const draws = 6000;
  const many = ({ shape, values }: Stored) => {
    const [, heads, length, size] = shape;
    return expand(made({ shape, values }, base), [draws, heads, length, size]);
  };
  const [q, k, v] = [golden.q, golden.k, golden.v].map(many);
  const out = scaledDotProductAttention(q, k, v, { dropoutP, generator: new Generator(1), enableGqa: true });
  const data = await out.data();
  const size = golden.mean.values.length;
  for (let i = 0; i < size; i++) {
    const values = Array.from({ length: draws }, (_, n) => data[n * size + i]);
    const mean = values.reduce((sum, y) => sum + y, 0) / draws;
    const variance = values.reduce((sum, y) => sum + (y - mean) ** 2, 0) / (draws - 1);
    const wanted = golden.variance.values[i];
    // Five standard errors, which include PyTorch's own sampling error.
    const error = Math.sqrt(wanted * (1 / draws + 1 / golden.draws));
    expect(Math.abs(mean - golden.mean.values[i])).toBeLessThan(5 * error);
    expect(Math.abs(variance / wanted - 1)).toBeLessThan(0.1);
  }
});

const draw = (shape: readonly number[], seed: number) =>
  randn(shape, { generator: new Generator(seed), backend: base });
const [q, k, v] = [draw([2, 4, 4, 3], 1), draw([2, 5, 2, 3], 2), draw([2, 5, 2, 3], 3)];
const mask = () => tensor([1, 0, 1, 1, 0, 1, 1, 1, 1, 0], { shape: [2, 1, 1, 5], dtype: "bool", backend: base });

/** Number of elements that are checked in each input. A page runs the same JavaScript as Node, so it checks fewer. */
const elements = globalThis.process?.getBuiltinModule !== undefined ? 24 : 12;

describe("gradients of gradients are those of finite differences", () => {
  it.each([
    ["all pairs", () => ({})],
    ["causal, with a window", () => ({ causal: true, window: 3 })],
    ["a mask, capped scores, a scale", () => ({ mask: mask(), softcap: 2, scale: 0.7 })],
    ["a cache with room", () => ({ causal: true, keyLength: 4 })],
  ])("%s", async (_name, options) => {
    const again = (...[x, y, z]: Tensor[]) =>
      attention(x, y, z, { ...options(), dropoutP: 0.4, generator: new Generator(8) });
    await checkGrad(again, [q, k, v], { order: 2, step: 0.01, tolerance: 3e-3, elements });
  });
});

/** Returns a backend, and the list of ops that it runs. */
function watched(): { backend: Backend; ops: string[] } {
  const ops: string[] = [];
  const run: Backend["run"] = (op, ...rest) => {
    ops.push(op.name);
    base.run(op, ...rest);
  };
  return { backend: { ...base, run }, ops };
}

it("runs the fused op alone where dropoutP is 0, with the same bits and no random number", async () => {
  const { backend, ops } = watched();
  const inputs = [q, k, v].map((t) => tensor(t.dataSync(), { shape: t.shape, backend }));
  const generator = new Generator(3);
  const [plain, none] = [{}, { dropoutP: 0, generator }].map((more) =>
    attention(inputs[0], inputs[1], inputs[2], { causal: true, ...more }),
  );
  expect(ops).toEqual(["attention", "attention"]);
  expect(generator.offset).toBe(0);
  expect(await none.data()).toEqual(await plain.data());
});

it("gives zeros, and zero gradients, where every weight is dropped", async () => {
  const x = q.detach();
  x.requiresGrad = true;
  const out = attention(x, k, v, { dropoutP: 1, generator: new Generator(1) });
  expect(new Set(await out.data())).toEqual(new Set([0]));
  const [dq] = gradients(out, [x], { gradient: q });
  expect((await dq.data()).every((n) => n === 0)).toBe(true);
});

it("drops the same weights where a checkpoint computes it again, and keeps q, k and v alone without one", async () => {
  const step = (wrap: typeof checkpoint) => {
    const generator = new Generator(4);
    const leaves = [q, k, v].map((t) => t.detach());
    for (const leaf of leaves) leaf.requiresGrad = true;
    const fn = (x: Tensor, y: Tensor, z: Tensor) => attention(x, y, z, { dropoutP: 0.3, generator });
    const before = memory().buffers;
    const out = wrap(fn)(leaves[0], leaves[1], leaves[2]);
    const made = memory().buffers - before;
    return { made, generator, grads: gradients(out, leaves, { gradient: q }) };
  };
  const [usual, again] = [step((fn) => fn), step(checkpoint)];
  expect(usual.made).toBe(1);
  expect(again.generator.offset).toBe(usual.generator.offset);
  for (const [i, grad] of again.grads.entries()) expect(await grad.data()).toEqual(await usual.grads[i].data());
});

it("refuses what is no probability", () => {
  const call = (options: object) => () => attention(q, k, v, options);
  expect(call({ dropoutP: 1.5, generator: new Generator(1) })).toThrow("attention: dropoutP is 1.5; it must be a");
  expect(call({ dropoutP: Number.NaN })).toThrow("attention: dropoutP is NaN");
});

it("draws from the default generator, as dropout does, and advances it", () => {
  const options = { dropoutP: 0.4 };
  const given = attention(q, k, v, { ...options, generator: new Generator(11) }).dataSync();
  manualSeed(11);
  expect(attention(q, k, v, options).dataSync()).toEqual(given);
  const [batch, queries, heads] = q.shape;
  expect(defaultGenerator.offset).toBe(batch * heads * queries * k.shape[1]);
  // The same with the public function, whose operands are [B, H, T, D].
  const byHead = [q, k, v].map((t) => permute(t, { dims: [0, 2, 1, 3] })) as [Tensor, Tensor, Tensor];
  const run = () => [...scaledDotProductAttention(...byHead, { ...options, enableGqa: true }).dataSync()];
  manualSeed(11);
  const [first, second] = [run(), run()];
  expect(second).not.toEqual(first);
  manualSeed(11);
  expect(run()).toEqual(first);
});
