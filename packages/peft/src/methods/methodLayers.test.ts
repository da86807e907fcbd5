import { init, reference, scope, type Tensor, tanh, tensor, writeSafetensors } from "@lowrank/core";
import { Embedding, Linear, Module, Parameter, type UnaryModule } from "@lowrank/nn";
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

test.each(golden.cases)("$name: answers of the layers and of the merged weights are those of PEFT", async (one) => {
  const tensors = Object.entries(one.shapes).map(([name, shape], k) => {
    const integers = (one as { integers?: Record<string, number[]> }).integers?.[name];
    const values = integers ? Int32Array.from(integers) : wave(shape, k);
    const dtype = integers ? ("i32" as const) : ("f32" as const);
    return { name, dtype, shape: shape as number[], bytes: new Uint8Array(values.buffer) };
  });
  const files = new Map<string, string | Uint8Array>([
    ["adapter_config.json", JSON.stringify(one.config)],
    ["adapter_model.safetensors", writeSafetensors(tensors)],
  ]);
  const peft = await PeftModel.fromPretrained(new Net().eval(), files, { onWarning: () => {} });
  expectClose(peft.forward(ids()), one.out);
  // Lily's update depends on its inputs.
  if (one.name.startsWith("LILY")) return;
  if (one.config.peft_type === "BEFT") {
    // The second layer lacks a bias. PEFT refuses this merge too.
    await expect(peft.mergeAndUnload()).rejects.toThrow("b: BEFT adds to a layer's bias");
    return;
  }
  const merged = await peft.mergeAndUnload();
  expectClose(merged.forward(ids()), one.out);
});
