import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  batchedLora,
  bytesSource,
  crossEntropy,
  doraLinear,
  embedding,
  gradients,
  init,
  layerNorm,
  linearCrossEntropy,
  logSoftmax,
  loraLinear,
  openSafetensors,
  permute,
  reference,
  rmsNorm,
  rope,
  ropeTables,
  scaledDotProductAttention,
  softmax,
  swiglu,
  type Tensor,
  tensor,
} from "@lowrank/core";
import { beforeAll, describe, expect, it } from "vitest";
import { goldenFolder } from "../../../scripts/sharedFolder.ts";
import { wasm } from "./wasm.ts";

interface Case {
  id: string;
  op: string;
  // biome-ignore lint/suspicious/noExplicitAny: parameters differ by op and come from a JSON file
  params: any;
  inputs: string[];
  outputs: string[];
  grads: Record<string, string>;
}

/** Runs a case's op on its inputs, in the golden files' layout. */
const ops: Record<string, (t: Tensor[], params: Case["params"]) => Tensor> = {
  softmax: ([x], p) => softmax(x, p),
  logSoftmax: ([x], p) => logSoftmax(x, p),
  layerNorm: ([x, w, b], p) => layerNorm(x, w, b, p),
  rmsNorm: ([x, w], p) => rmsNorm(x, w, p),
  embedding: ([w, ids]) => embedding(w, ids),
  crossEntropy: ([x, labels], p) => crossEntropy(x, labels, p),
  linearCrossEntropy: ([x, w, labels], p) => linearCrossEntropy(x, w, labels, { ignoreIndex: p.ignoreIndex }),
  scaledDotProductAttention: ([q, k, v, mask], p) => scaledDotProductAttention(q, k, v, { ...p, mask }),
  rope: ([x], { theta, offset }) => {
    const [, , tokens, size] = x.shape;
    const frequencies = Array.from({ length: size / 2 }, (_, i) => theta ** ((-2 * i) / size));
    const { cos, sin } = ropeTables(frequencies, offset + tokens);
    const dims = [0, 2, 1, 3];
    return permute(rope(permute(x, dims), cos, sin, { offset }), dims);
  },
  swiglu: ([gate, up]) => swiglu(gate, up),
  loraLinear: ([x, w, a, b], p) => loraLinear(x, w, a, b, p),
  doraLinear: ([x, w, a, b, m], p) => doraLinear(x, w, a, b, m, p),
  batchedLora: ([x, w, a, b], p) => batchedLora(x, w, a, b, p),
};

const cases: Case[] = JSON.parse(readFileSync(join(goldenFolder, "ops.json"), "utf8")).cases.filter(
  ({ op }: Case) => op in ops,
);

/** The largest difference, relative to the largest number. */
function distance(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let worst = 0;
  let largest = 0;
  for (let i = 0; i < expected.length; i++) {
    worst = Math.max(worst, Math.abs(actual[i] - expected[i]));
    largest = Math.max(largest, Math.abs(expected[i]));
  }
  return actual.length === expected.length ? worst / largest : Number.POSITIVE_INFINITY;
}

describe.each(["reference", "relaxed", "simd"] as const)("PyTorch's numbers on %s", (kind) => {
  beforeAll(async () => {
    await init(kind === "reference" ? reference() : wasm({ build: kind }));
  });

  it.each(cases)("$id", async ({ id, op, params, inputs, outputs, grads }) => {
    const bytes = new Uint8Array(readFileSync(join(goldenFolder, "ops.safetensors")));
    const file = await openSafetensors(bytesSource(bytes));
    const load = async (name: string) => {
      const { dtype, shape, bytes: raw } = await file.read(name);
      const { buffer } = raw.slice();
      const data =
        dtype === "f32" ? new Float32Array(buffer) : dtype === "i32" ? new Int32Array(buffer) : new Uint8Array(buffer);
      return tensor(data, { shape, dtype });
    };
    const tensors: Tensor[] = [];
    for (const name of inputs) tensors.push(await load(name));
    const wanted = Object.keys(grads).map(Number);
    for (const i of wanted) tensors[i].requiresGrad = true;
    const out = ops[op](tensors, params);
    expect(distance(out.dataSync(), (await load(outputs[0])).dataSync())).toBeLessThan(1e-5);
    const found = gradients(
      out,
      wanted.map((i) => tensors[i]),
      { gradient: await load(`${id}.dy0`) },
    );
    for (const [n, i] of wanted.entries()) {
      expect(found[n].shape).toEqual(tensors[i].shape);
      expect(distance(found[n].dataSync(), (await load(grads[i])).dataSync())).toBeLessThan(1e-5);
    }
  });
});
