import { init, reference, scope, square, type Tensor, writeSafetensors } from "@lowrank/core";
import { Parameter } from "@lowrank/nn";
import { beforeAll, expect, test } from "vitest";
import { PeftModel } from "../peftModel/peftModel.ts";
import { ModuleNet, type NetLayer, netInputs, wave } from "../testing/moduleNet.ts";
// What PEFT 0.21.2 gives, recorded by conformance/python/module_layers.py.
import golden from "./moduleLayers.gen.json" with { type: "json" };

beforeAll(() => init(reference()));

interface Case {
  name: string;
  layers: readonly NetLayer[];
  shape: readonly number[];
  config: object;
  shapes: Readonly<Record<string, readonly number[]>>;
  trainable: number;
  merges: boolean;
  answers: Readonly<Record<string, readonly number[]>>;
}

const cases = golden as unknown as readonly Case[];

function filesOf({ config, shapes }: Case) {
  const tensors = Object.entries(shapes).map(([name, shape], k) => {
    return { name, dtype: "f32" as const, shape, bytes: new Uint8Array(wave(shape, k).buffer) };
  });
  return new Map<string, string | Uint8Array>([
    ["adapter_config.json", JSON.stringify(config)],
    ["adapter_model.safetensors", writeSafetensors(tensors)],
  ]);
}

const load = (one: Case) =>
  PeftModel.fromPretrained(new ModuleNet(one.layers).eval(), filesOf(one), { isTrainable: true, onWarning: () => {} });

function expectClose(found: Tensor, expected: readonly number[], tolerance = 2e-5) {
  const values = [...(found.dataSync() as Float32Array)];
  expect(values).toHaveLength(expected.length);
  const largest = Math.max(...expected.map(Math.abs));
  for (const [i, value] of values.entries()) expect(Math.abs(value - expected[i])).toBeLessThan(tolerance * largest);
}

test.each(cases)("$name: outputs, gradients and counts are PEFT's", async (one) => {
  const peft = (await load(one)).eval();
  const x = netInputs(one.shape);
  expectClose(peft.forward(x), one.answers.logits);
  scope(() => square(peft.forward(x)).mean().backward());
  const trained = [...peft.namedParameters()].filter(([, parameter]) => parameter.requiresGrad);
  expect(trained.reduce((sum, [, { size }]) => sum + size, 0)).toBe(one.trainable);
  const gradients = new Map(trained.map(([name, { grad }]) => [`grad.${name.replace(".default", "")}`, grad]));
  expect([...gradients.keys()].sort()).toEqual(
    Object.keys(one.answers)
      .filter((name) => /^grad/.test(name))
      .sort(),
  );
  for (const [name, gradient] of gradients) expectClose(gradient!, one.answers[name], 1e-4);
});

test.each(cases.filter(({ merges }) => merges))("$name: outputs after the merge are PEFT's", async (one) => {
  const peft = await load(one);
  const x = netInputs(one.shape);
  await peft.mergeAdapter();
  expectClose(peft.forward(x), one.answers.logits);
  peft.unmergeAdapter();
  expectClose(peft.forward(x), one.answers.logits);
  const merged = await peft.mergeAndUnload();
  expectClose(merged.forward(x), one.answers.logits);
  for (const parameter of merged.parameters()) expect(parameter).toBeInstanceOf(Parameter);
});

test.each(cases.filter(({ merges }) => !merges))(
  "$name: does not merge, since PEFT does not, or changes outputs",
  async (one) => {
    const peft = await load(one);
    await expect(peft.mergeAdapter()).rejects.toThrow(/a: .*(groups|windows)/);
  },
);
