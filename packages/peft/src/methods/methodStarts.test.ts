import { Generator, init, randn, reference, scope, type Tensor, tensor } from "@lowrank/core";
import { Embedding, Linear, Module, Parameter, type UnaryModule } from "@lowrank/nn";
import { beforeAll, expect, test } from "vitest";
import { parseConfig } from "../files/configFile.ts";
import { getPeftModel } from "../peftModel/getPeftModel.ts";
import { ownMethods } from "../testing/ownMethods.ts";
// The initial values of PEFT 0.21.2, recorded by conformance/python/method_starts.py.
import golden from "./methodStarts.gen.json" with { type: "json" };

beforeAll(() => init(reference()));

const methods = await ownMethods();

class Net extends Module {
  e: UnaryModule;
  a: UnaryModule;

  constructor([inputs, outputs]: readonly number[]) {
    super();
    const generator = new Generator(4);
    const draw = (shape: number[]) => new Parameter(randn(shape, { generator }));
    this.e = new Embedding(draw([100, inputs]));
    const values = Float32Array.from({ length: inputs * outputs }, (_, i) => Math.sin(0.37 * i * i + 1.7 * i));
    this.a = new Linear(new Parameter(tensor(values, { shape: [outputs, inputs] })), draw([outputs]));
  }

  forward(ids: Tensor): Tensor {
    return scope(() => this.a.forward(this.e.forward(ids)));
  }
}

async function started({ kind, options, size }: { kind: string; options: object; size: number[] }) {
  const fields = { peft_type: kind, peft_version: "0.21.2", target_modules: ["a"], ...options };
  const { config } = parseConfig(fields, methods, "f", () => {});
  const peft = await getPeftModel(new Net(size), config, { generator: new Generator(6), onWarning: () => {} });
  const tensors = [...peft.base_model.filed("default"), ...peft.base_model.buffers("default")];
  return new Map(tensors.map(([key, t]) => [key.replace("base_model.model.", ""), t]));
}

test.each(golden.starts)("$kind $options starts as in PEFT", async (one) => {
  const found = await started(one);
  expect([...found.keys()].sort()).toEqual(Object.keys(one.tensors).sort());
  for (const [key, [shape, root, least, most]] of Object.entries(
    one.tensors as unknown as Record<string, [number[], ...number[]]>,
  )) {
    const t = found.get(key)!;
    expect([...t.shape], key).toEqual(shape);
    const values = [...(t.dataSync() as Float32Array)];
    const ownRoot = Math.sqrt(values.reduce((sum, x) => sum + x * x, 0) / values.length);
    if (least === most) {
      for (const x of values) expect(x, key).toBeCloseTo(least, 5);
      continue;
    }
    expect(Math.abs(ownRoot / root - 1), `${key}: ${ownRoot} for ${root}`).toBeLessThan(
      values.length > 1000 ? 0.08 : 0.25,
    );
    // Uniform samples are bounded, and with many samples some come close to the bounds.
    const uniform = Math.abs(most / root / Math.sqrt(3) - 1) < 0.01 && values.length > 1000;
    // Math.max cannot take 245,000 arguments in a page.
    const [low, high] = [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))];
    if (uniform) expect(high / most, key).toBeCloseTo(1, 1);
    expect(Math.sign(low), key).toBe(Math.sign(least));
  }
});

test.each(golden.sizes)("$kind $options on $size has the tensors of PEFT", async (one) => {
  const shapes = Array.from(await started(one), ([key, { shape }]) => [key, [[...shape]]]);
  expect(Object.fromEntries(shapes)).toEqual(one.tensors);
});
