import { add, dropout, Generator, gradients, init, manualSeed, reference, type Tensor, tensor } from "@lowrank/core";
import { expectClose } from "@lowrank/core/testing";
import { beforeAll, describe, expect, it } from "vitest";
import golden from "./multiheadAttention.gen.json" with { type: "json" };
import { MultiheadAttention, type MultiheadAttentionCall } from "./multiheadAttention.ts";

// PyTorch's results, written by conformance/python/multihead_attention.py.

beforeAll(() => init(reference()));

interface Stored {
  readonly shape: readonly number[];
  readonly values: readonly (number | null)[];
}

interface Case {
  readonly name: string;
  readonly args: [number, number];
  readonly options: Record<string, unknown>;
  readonly call: Record<string, unknown>;
  readonly state: Record<string, Stored>;
  readonly inputs: Stored[];
  readonly masks: Record<string, Stored & { bool: boolean }>;
  readonly dout: Stored;
  readonly out: Stored;
  readonly weights: Stored | null;
  readonly grads: Stored[];
}

const camel = (values: Record<string, unknown>) =>
  Object.fromEntries(
    Object.entries(values).map(([key, value]) => [key.replace(/_(.)/g, (_, c) => c.toUpperCase()), value]),
  );
const made = ({ shape, values }: Stored, requiresGrad = false) =>
  tensor(
    Float32Array.from(values, (v) => v ?? -Infinity),
    { shape, requiresGrad },
  );
const close = (what: string, t: Tensor, { shape, values }: Stored) =>
  expectClose(what, { shape: t.shape, data: t.dataSync() }, { shape, data: values.map((v) => v ?? Number.NaN) }, 1e-5);

function runOf({ args, options, call, state, inputs, masks }: Case) {
  const layer = new MultiheadAttention(...args, camel(options));
  layer.loadStateDict(Object.fromEntries(Object.entries(state).map(([key, value]) => [key, made(value)])));
  const xs = inputs.map((x) => made(x, true));
  const [query, key = query, value = query] = xs;
  const given = Object.entries(masks).map(([name, { bool, ...mask }]) => {
    const values = made(mask);
    return [
      name,
      bool ? tensor(Uint8Array.from(mask.values as number[]), { shape: mask.shape, dtype: "bool" }) : values,
    ];
  });
  const run = (more: MultiheadAttentionCall = {}) =>
    layer.forward(query, key, value, { ...camel({ ...call, ...Object.fromEntries(given) }), ...more });
  return { layer, xs, run };
}

const cases = golden as unknown as Case[];

describe("MultiheadAttention", () => {
  it.each(cases.map((one) => [one.name, one] as const))("%s: is PyTorch's", (_name, one) => {
    const { layer, xs, run } = runOf(one);
    const [out, weights] = run();
    close("out", out, one.out);
    if (one.weights) close("weights", weights!, one.weights);
    else expect(weights).toBe(null);
    const parameters = Object.keys(one.state).map((key) => layer.stateDict().get(key)!);
    const grads = gradients(out, [...xs, ...parameters], { gradient: made(one.dout) });
    const names = [...xs.map((_, i) => `input ${i}`), ...Object.keys(one.state)];
    for (const [i, name] of names.entries()) close(`gradient of ${name}`, grads[i]!, one.grads[i]);
  });

  it("has the same output with weights and without", () => {
    for (const one of cases) {
      const { run } = runOf(one);
      const [out] = run({ needWeights: !one.weights });
      close(one.name, out, one.out);
    }
  });

  it("starts as PyTorch's", () => {
    const generator = new Generator(1);
    const layer = new MultiheadAttention(32, 4, { addBiasKv: true, generator });
    const values = (t: Tensor | null) => [...t!.dataSync()].map(Number);
    const largest = (t: Tensor | null) => Math.max(...values(t).map(Math.abs));
    const bound = Math.sqrt(6 / 128);
    expect(largest(layer.in_proj_weight)).toBeLessThanOrEqual(bound);
    expect(largest(layer.in_proj_weight)).toBeGreaterThan(0.99 * bound);
    expect(largest(layer.out_proj.weight)).toBeLessThanOrEqual(1 / Math.sqrt(32));
    expect(largest(layer.out_proj.weight)).toBeGreaterThan(0.99 / Math.sqrt(32));
    expect([largest(layer.in_proj_bias), largest(layer.out_proj.bias)]).toEqual([0, 0]);
    const extra = [...values(layer.bias_k), ...values(layer.bias_v)];
    expect(Math.sqrt(extra.reduce((sum, v) => sum + v * v, 0) / 64)).toBeCloseTo(1 / Math.sqrt(32), 1);
    const other = new MultiheadAttention(32, 4, { kdim: 8 });
    expect(largest(other.k_proj_weight)).toBeLessThanOrEqual(Math.sqrt(6 / 40));
    expect(largest(other.k_proj_weight)).toBeGreaterThan(0.95 * Math.sqrt(6 / 40));
  });

  it("drops weights in training mode only", () => {
    manualSeed(1);
    const layer = new MultiheadAttention(4, 2, { dropout: 0.5, generator: new Generator(3), batchFirst: true });
    const x = tensor(
      Float32Array.from({ length: 24 }, (_, i) => Math.sin(i)),
      { shape: [2, 3, 4] },
    );
    const { state } = layer.generator;
    const [, dropped] = layer.forward(x, x, x, { averageAttnWeights: false });
    const generator = new Generator(1);
    generator.state = state;
    layer.eval();
    const [, weights] = layer.forward(x, x, x, { averageAttnWeights: false });
    const expected = dropout(weights!, { p: 0.5, generator });
    close("weights", dropped!, { shape: expected.shape, values: [...expected.dataSync()].map(Number) });
    const [a] = layer.forward(x, x, x, { needWeights: false });
    const [b] = layer.forward(x, x, x);
    close("output", a, { shape: b.shape, values: [...b.dataSync()].map(Number) });
  });

  it("gives a query without a visible key the output of a value of zero", () => {
    const layer = new MultiheadAttention(4, 2);
    const x = tensor(
      Float32Array.from({ length: 12 }, (_, i) => Math.cos(i)),
      { shape: [3, 4] },
    );
    const keyPaddingMask = tensor([1, 1, 1], { dtype: "bool" });
    for (const needWeights of [true, false]) {
      const [out, weights] = layer.forward(x, x, x, { keyPaddingMask, needWeights });
      close("out", out, { shape: [3, 4], values: Array(12).fill(0) });
      if (weights) close("weights", weights, { shape: [3, 3], values: Array(9).fill(0) });
    }
  });

  it("computes with another weight of queries, keys and values", () => {
    const layer = new MultiheadAttention(4, 2, { batchFirst: true });
    const x = tensor(
      Float32Array.from({ length: 12 }, (_, i) => Math.cos(i)),
      { shape: [1, 3, 4] },
    );
    const other = add(layer.in_proj_weight!, 0.1);
    const [given] = layer.forwardWith(other, x, x, x);
    layer.loadStateDict({ in_proj_weight: other }, { strict: false });
    const [own] = layer.forward(x, x, x);
    close("out", given, { shape: own.shape, values: [...own.dataSync()].map(Number) });
  });

  // biome-ignore lint/suspicious/noExplicitAny: calls from JavaScript have no types
  const Loose = MultiheadAttention as any;
  const call = (options: object, ...shapes: number[][]) => {
    const [q, k, v] = shapes.map((shape) => tensor(new Float32Array(shape.reduce((a, b) => a * b, 1)), { shape }));
    return new Loose(4, 2).forward(q, k ?? q, v ?? q, options);
  };
  it.each<[string, () => unknown, string]>([
    ["sizes", () => new Loose(4), "MultiheadAttention: sizes are 4 and  and 4 and 4; all must be whole numbers"],
    ["heads", () => new Loose(4, 3), "embedDim 4 is not a multiple of numHeads 3; choose sizes as in new"],
    ["dropout", () => new Loose(4, 2, { dropout: 2 }), "dropout is 2; it must be a probability from 0 to 1"],
    ["an option", () => new Loose(4, 2, { batch_first: true }), "no option batch_first; did you mean batchFirst?"],
    ["an option of a call", () => call({ attn_mask: null }, [3, 2, 4]), "no option attn_mask; did you mean attnMask?"],
    [
      "isCausal alone",
      () => call({ isCausal: true }, [3, 2, 4]),
      "isCausal is given without attnMask; give the causal",
    ],
    ["features", () => call({}, [3, 2, 5]), "query is [3,2,5] with a query [3,2,5]; it must be [L, N, features]"],
    ["batches", () => call({}, [3, 2, 4], [3, 1, 4]), "key is [3,1,4] with a query [3,2,4]; it must be"],
    ["lengths", () => call({}, [3, 2, 4], [3, 2, 4], [2, 2, 4]), "key [3,2,4] and value [2,2,4] differ in length"],
    ["a mask", () => call({ attnMask: tensor([[0, 1]]) }, [3, 2, 4]), "attnMask is [1,2]; it must be [3,3] or [4,3,3]"],
    [
      "padding",
      () => call({ keyPaddingMask: tensor([[0, 1, 0]]) }, [3, 2, 4]),
      "keyPaddingMask is [1,3]; it must be [2,3]",
    ],
  ])("%s: throws an error that names the value", (_name, run, message) => {
    expect(run).toThrow(message);
  });
});
