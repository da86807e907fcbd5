import { Generator, init, noGrad, reference, type Tensor } from "@lowrank/core";
import { beforeAll, expect, test } from "vitest";
import { getPeftModel } from "../../peftModel/getPeftModel.ts";
import { ModuleNet, type NetLayer, netInputs } from "../../testing/moduleNet.ts";
import { LoraConfig, type LoraOptions } from "./loraConfig.ts";

beforeAll(() => init(reference()));

const layer = (name: string, options: Partial<NetLayer> = {}): NetLayer => {
  return { kind: "convolution2d", name, in_channels: 4, out_channels: 4, kernel_size: 3, padding: 1, ...options };
};

const make = (options: LoraOptions, layers = [layer("a"), layer("b")]) =>
  getPeftModel(new ModuleNet(layers), new LoraConfig({ targetModules: ["a"], r: 2, ...options }), {
    generator: new Generator(1),
    onWarning: () => {},
  });

const x = () => netInputs([3, 4, 5, 6]);
const valuesOf = (t: Tensor) => [...(t.dataSync() as Float32Array)];

test.each<[string, LoraOptions, NetLayer, string]>([
  [
    "a rank that groups do not divide",
    { r: 3 },
    layer("a", { groups: 2 }),
    "a has 2 groups, and r 3 is not a multiple",
  ],
  ["DoRA with groups", { useDora: true }, layer("a", { groups: 2 }), "a has 2 groups, and useDora is for convolutions"],
  ["a dilation", {}, layer("a", { dilation: 2 }), "a has the dilation 2, which LoRA's A lacks in PEFT"],
  ["PiSSA", { initLoraWeights: "pissa" }, layer("a"), 'initLoraWeights "pissa" is not for convolutions'],
  [
    "BD-LoRA",
    { useBdlora: { targetModulesBdA: ["a"] } },
    layer("a"),
    "a is a convolution, and useBdlora is for linear",
  ],
  ["VeLoRA", { veloraConfig: {} }, layer("a"), "a is of the kind convolution2d, and veloraConfig is for linear"],
])("%s is refused", async (_, options, one, message) => {
  await expect(make(options as LoraOptions, [one, layer("b")])).rejects.toThrow(message);
});

test("a dilation in a dimension in which filters have one element is allowed", async () => {
  await make({}, [layer("a", { kernel_size: [1, 3], dilation: [2, 1], padding: [0, 1] }), layer("b")]);
});

test("new tensors have PyTorch's bounds of a convolution, and change no output", async () => {
  const peft = await make({ r: 4, useDora: true });
  expect(valuesOf(peft.forward(x()))).toEqual(
    valuesOf(peft.disableAdapter(() => peft.forward(x()))).map((v) => expect.closeTo(v, 5)),
  );
  const shapes = [...peft.adapterTensors()].map(([key, { shape }]) => [key.replace(/.*a\./, ""), [...shape]]);
  expect(shapes).toEqual([
    ["lora_A.weight", [4, 4, 3, 3]],
    ["lora_B.weight", [4, 4, 1, 1]],
    ["lora_magnitude_vector", [1, 4, 1, 1]],
  ]);
  const random = await make({ r: 4, initLoraWeights: false, loraBias: true }, [
    layer("a", { groups: 2, out_channels: 32 }),
    layer("b"),
  ]);
  const bounds = [1 / 6, 1 / Math.sqrt(2), 1 / Math.sqrt(2)];
  for (const [i, [, t]] of [...random.adapterTensors()].entries()) {
    const most = Math.max(...valuesOf(t).map(Math.abs));
    expect(most).toBeLessThanOrEqual(bounds[i]);
    expect(most).toBeGreaterThan(0.5 * bounds[i]);
  }
});

test("rows of a batch use their own adapters", async () => {
  const peft = await make({ initLoraWeights: false, loraBias: true });
  await peft.addAdapter("dora", new LoraConfig({ targetModules: ["a"], useDora: true, initLoraWeights: false }));
  const rows = noGrad(() => peft.withAdapterNames(["dora", "default", "__base__"], () => peft.forward(x())));
  const alone = ["dora", "default", null].map((name, row) => {
    const run = () => valuesOf(peft.forward(x())).slice(row * 120, (row + 1) * 120);
    if (name === null) return peft.disableAdapter(run);
    peft.setAdapter(name);
    return run();
  });
  expect(valuesOf(rows)).toEqual(alone.flat().map((value) => expect.closeTo(value, 5)));
});

test("adapters are summed, except on convolutions with groups", async () => {
  const peft = await make({ initLoraWeights: false });
  await peft.addAdapter("other", new LoraConfig({ targetModules: ["a"], r: 3, initLoraWeights: false }));
  await peft.addWeightedAdapter(["default", "other"], [0.5, 2], "sum", { combinationType: "cat" });
  const deltas = ["default", "other", "sum"].map((name) => {
    peft.setAdapter(name);
    const parameters = new Map(peft.adapterTensors(name));
    const [a, b] = [...parameters.values()];
    const scaling = { default: 8 / 2, other: 8 / 3, sum: 1 }[name]!;
    return valuesOf(b.reshape([4, -1]).matmul(a.reshape([a.shape[0], -1]))).map((v) => v * scaling);
  });
  expect(deltas[2]).toEqual(deltas[0].map((v, i) => expect.closeTo(0.5 * v + 2 * deltas[1][i], 4)));
  const grouped = await make({ initLoraWeights: false }, [layer("a", { groups: 2 }), layer("b")]);
  await expect(grouped.addWeightedAdapter(["default"], [1], "sum")).rejects.toThrow("a is a convolution with groups");
});

test("a loaded model keeps stride and padding, and dropout changes the outputs of training alone", async () => {
  const peft = await make({ loraDropout: 0.5, initLoraWeights: false });
  const outputs = () => valuesOf(peft.forward(x()));
  peft.eval();
  expect(outputs()).toEqual(outputs());
  peft.train();
  expect(outputs()).not.toEqual(outputs());
});
