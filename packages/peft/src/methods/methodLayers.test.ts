import { init, reference, scope, type Tensor, tanh, tensor, writeSafetensors } from "@lowrank/core";
import { Embedding, Linear, Module, Parameter, type UnaryModule } from "@lowrank/nn";
import { setBatch } from "@lowrank/nn/internal";
import { beforeAll, expect, test } from "vitest";
import { PeftModel } from "../peftModel/peftModel.ts";
// The outputs of PEFT 0.21.2, recorded by conformance/python/method_layers.py.
import golden from "./methodLayers.gen.json" with { type: "json" };

beforeAll(() => init(reference()));

/** Returns the values that method_layers.py assigns to the k-th tensor. */
function wave(shape: readonly number[], k: number, scale = 0.4): Float32Array {
  const length = shape.reduce((product, n) => product * n, 1);
  return Float32Array.from({ length }, (_, i) => scale * Math.sin(0.37 * i * i + 1.7 * i + k + 1));
}

const weight = (shape: readonly number[], k: number) => new Parameter(tensor(wave(shape, k, 0.9), { shape }));

class Net extends Module {
  e: UnaryModule = new Embedding(weight([7, 12], 10));
  a: UnaryModule = new Linear(weight([8, 12], 11), weight([8], 12));
  b: UnaryModule = new Linear(weight([6, 8], 13));

  forward(ids: Tensor): Tensor {
    // The tasks of the rows, which method_layers.py gives to the methods that need them.
    setBatch({ taskIds: [2, 0] });
    return scope(() => this.b.forward(tanh(this.a.forward(this.e.forward(ids)))));
  }
}

const ids = () =>
  tensor(
    [
      [1, 5, 3],
      [0, 6, 2],
    ],
    { dtype: "i32" },
  );

function expectClose(found: Tensor, expected: readonly number[]) {
  const values = [...(found.dataSync() as Float32Array)];
  expect(values).toHaveLength(expected.length);
  const largest = Math.max(...expected.map(Math.abs));
  for (const [i, value] of values.entries()) expect(Math.abs(value - expected[i])).toBeLessThan(2e-5 * largest);
}

/** Returns the files of an adapter whose tensors have the values that method_layers.py gives them. */
function filesOf(one: { config: object; shapes: object; integers?: object }, scale?: number) {
  const tensors = Object.entries(one.shapes as Record<string, number[]>).map(([name, shape], k) => {
    const integers = (one.integers as Record<string, number[]> | undefined)?.[name];
    // As in PEFT, Uni-LoRA's indices have 64 bits, and other integers 32.
    const isLong = name.includes("unilora_indices");
    const whole = integers && (isLong ? BigInt64Array.from(integers, BigInt) : Int32Array.from(integers));
    const values = whole ?? wave(shape, k, scale);
    const dtype = whole ? (isLong ? ("I64" as const) : ("i32" as const)) : ("f32" as const);
    return { name, dtype, shape, bytes: new Uint8Array(values.buffer) };
  });
  return new Map<string, string | Uint8Array>([
    ["adapter_config.json", JSON.stringify(one.config)],
    ["adapter_model.safetensors", writeSafetensors(tensors)],
  ]);
}

test.each(golden.cases)("$name: answers of the layers and of the merged weights are those of PEFT", async (one) => {
  const peft = await PeftModel.fromPretrained(new Net().eval(), filesOf(one as Parameters<typeof filesOf>[0]), {
    onWarning: () => {},
  });
  expectClose(peft.forward(ids()), one.out);
  // Lily's update depends on its inputs, and Poly's on the tasks.
  if (/^(LILY|POLY) /.test(one.name)) return;
  if (one.config.peft_type === "BEFT") {
    // The second layer lacks a bias. PEFT refuses this merge too.
    await expect(peft.mergeAndUnload()).rejects.toThrow(
      'b: adapter "default" (BEFT) cannot be merged into the weights: it adds to a layer\'s bias',
    );
    return;
  }
  const merged = await peft.mergeAndUnload();
  expectClose(merged.forward(ids()), one.out);
});

test.each(golden.sampled)("$name: answers in training have PEFT's means and deviations", async (one) => {
  const peft = await PeftModel.fromPretrained(new Net(), filesOf(one, 1.2), { onWarning: () => {} });
  peft.train();
  const draws = 2000;
  const answers = Array.from({ length: draws }, () => [...(peft.forward(ids()).dataSync() as Float32Array)]);
  // Six standard errors of both samples.
  const error = 6 * Math.sqrt(1 / draws + 1 / one.draws);
  for (const [i, mean] of one.means.entries()) {
    const found = answers.reduce((sum, answer) => sum + answer[i], 0) / draws;
    const squares = answers.reduce((sum, answer) => sum + (answer[i] - found) ** 2, 0) / (draws - 1);
    expect(Math.abs(found - mean)).toBeLessThan(error * one.deviations[i]);
    expect(Math.abs(Math.sqrt(squares) / one.deviations[i] - 1)).toBeLessThan(error / Math.SQRT2);
  }
});
