import { Generator, init, noGrad, reference, type Tensor } from "@lowrank/core";
import { beforeAll, expect, test } from "vitest";
import type { PeftConfig } from "../config/peftConfig.ts";
import type { Warning } from "../config/warning.ts";
import { getPeftModel } from "../peftModel/getPeftModel.ts";
import { ModuleNet, type NetLayer, netInputs } from "../testing/moduleNet.ts";
import { HiraConfig } from "./lowRank/hiraConfig.ts";
import { BOFTConfig } from "./orthogonal/boftConfig.ts";
import { HRAConfig } from "./orthogonal/hraConfig.ts";
import { OFTConfig } from "./orthogonal/oftConfig.ts";
import { IA3Config } from "./vectors/ia3Config.ts";

beforeAll(() => init(reference()));

const layer = (name: string, options: Partial<NetLayer> = {}): NetLayer => {
  return { kind: "convolution2d", name, in_channels: 4, out_channels: 4, kernel_size: 3, padding: 1, ...options };
};

async function make(config: PeftConfig, one: NetLayer = layer("a")) {
  const warnings: Warning[] = [];
  const net = new ModuleNet([one, layer("b")]);
  const options = { generator: new Generator(1), onWarning: (warning: Warning) => warnings.push(warning) };
  return { peft: await getPeftModel(net, config, options), warnings };
}

const x = () => netInputs([3, 4, 5, 6]);
const valuesOf = (t: Tensor) => [...(t.dataSync() as Float32Array)];
const shapesOf = (peft: Awaited<ReturnType<typeof make>>["peft"]) =>
  [...peft.adapterTensors()].map(([key, { shape }]) => [key.replace(/.*\.a\./, ""), [...shape]]);

const targetModules = ["a"];
const ia3 = (options = {}) => new IA3Config({ targetModules, feedforwardModules: [], ...options });
const hira = (options = {}) => new HiraConfig({ targetModules, r: 2, ...options });
const hra = (options = {}) => new HRAConfig({ targetModules, r: 2, ...options });
const oft = (options = {}) => new OFTConfig({ targetModules, oftBlockSize: 2, ...options });
const boft = (options = {}) => new BOFTConfig({ targetModules, boftBlockSize: 2, ...options });
const line: NetLayer = { ...layer("a"), kind: "convolution1d" };

test.each<[string, PeftConfig, NetLayer, string]>([
  ["HiRA with groups", hira(), layer("a", { groups: 2 }), "a has 2 groups, and HiRA adapts convolutions with one"],
  ["HRA with groups", hra(), layer("a", { groups: 4 }), "a has 4 groups, and HRA adapts convolutions with one"],
  ["BOFT with groups", boft(), layer("a", { groups: 2 }), "a has 2 groups, and BOFT adapts convolutions with one"],
  [
    "HRA with filters that are not square",
    hra(),
    layer("a", { kernel_size: [3, 1] }),
    "a has filters of 3 x 1, and HRA",
  ],
  [
    "OFT with filters that are not square",
    oft(),
    layer("a", { kernel_size: [1, 3] }),
    "a has filters of 1 x 3, and OFT",
  ],
  ["BOFT with filters that are not square", boft(), layer("a", { kernel_size: [2, 1] }), "filters of 2 x 1, and BOFT"],
  ["HRA with two strides", hra(), layer("a", { stride: [2, 1] }), "a has the stride [2,1], but PEFT's HRA uses one"],
  [
    "BOFT with two paddings",
    boft(),
    layer("a", { padding: [0, 1] }),
    "has the padding [0,1], but PEFT's BOFT uses one",
  ],
  ["HRA with a dilation", hra(), layer("a", { dilation: [1, 2] }), "a has the dilation [1,2], but PEFT's HRA uses no"],
  ["OFT with a dilation", oft(), layer("a", { dilation: 2 }), "a has the dilation 2, which OFT does not support"],
  ["BOFT with another block size", boft({ boftBlockSize: 5 }), layer("a"), "must divide its 36 features"],
  ["IA3 in one dimension", ia3(), line, "IA3 adapts linear, conv1d, convolution2d layers only"],
  ["HRA in one dimension", hra(), line, "HRA adapts linear, convolution2d layers only"],
  ["OFT in one dimension", oft(), line, "OFT adapts linear, embedding, convolution2d layers only"],
  ["BOFT in one dimension", boft(), line, "BOFT adapts linear, convolution2d layers only"],
])("%s is refused", async (_, config, one, message) => {
  await expect(make(config, one)).rejects.toThrow(message);
});

test.each<[string, PeftConfig, NetLayer]>([
  ["a dilation on filters of one element", hra(), layer("a", { kernel_size: 1, padding: 0, dilation: 2 })],
  ["a stride given for both dimensions", boft(), layer("a", { stride: [2, 2], padding: [1, 1] })],
  ["a dilation in the second dimension", oft(), layer("a", { dilation: [1, 2], padding: [1, 2] })],
])("%s is allowed", async (_, config, one) => {
  const { peft } = await make(config, one);
  expect(peft.forward(x()).ndim).toBe(4);
});

const small = layer("a", { kernel_size: 1, padding: 0 });
test.each<[string, PeftConfig, NetLayer, unknown]>([
  ["IA3", ia3(), layer("a", { out_channels: 4, groups: 2 }), [["ia3_l", [1, 4, 1, 1]]]],
  [
    "HiRA",
    hira(),
    layer("a", { kernel_size: [3, 1], padding: [1, 0] }),
    [
      ["hira_A", [2, 4, 3, 1]],
      ["hira_B", [4, 2, 1, 1]],
    ],
  ],
  [
    "HiRA in one dimension",
    hira({ initWeights: "gaussian" }),
    line,
    [
      ["hira_A", [2, 4, 3]],
      ["hira_B", [4, 2, 1]],
    ],
  ],
  ["HRA", hra(), layer("a"), [["hra_u", [36, 2]]]],
  ["OFT", oft(), small, [["oft_R.weight", [2, 1]]]],
  [
    "BOFT",
    boft(),
    layer("a"),
    [
      ["boft_R", [1, 18, 2, 2]],
      ["boft_s", [1, 4]],
    ],
  ],
])("%s starts as a no-op, with PEFT's shapes", async (_, config, one, shapes) => {
  const { kind } = one;
  const net = kind === "convolution1d" ? [one] : [one, layer("b")];
  const peft = await getPeftModel(new ModuleNet(net), config, { generator: new Generator(1), onWarning: () => {} });
  const input = kind === "convolution1d" ? netInputs([2, 4, 7]) : x();
  const plain = peft.disableAdapter(() => valuesOf(peft.forward(input)));
  expect(valuesOf(peft.forward(input))).toEqual(plain.map((value) => expect.closeTo(value, 5)));
  expect(shapesOf(peft)).toEqual(shapes);
});

test("HiRA's A starts as PyTorch's filters, and both factors from N(0, 1) with initWeights false", async () => {
  for (const initWeights of [true, "gaussian"] as const) {
    const { peft } = await make(hira({ r: 30, initWeights }));
    const [a] = [...peft.adapterTensors().values()].map(valuesOf);
    const most = Math.max(...a.map(Math.abs));
    expect(most).toBeLessThanOrEqual(1 / 6);
    expect(most).toBeGreaterThan(0.95 / 6);
  }
  const { peft } = await make(hira({ r: 100, initWeights: false }));
  for (const t of peft.adapterTensors().values()) {
    const values = valuesOf(t);
    const variance = values.reduce((sum, value) => sum + value ** 2, 0) / values.length;
    expect(variance).toBeGreaterThan(0.8);
    expect(variance).toBeLessThan(1.2);
  }
});

test("HiRA's dropout changes outputs in training alone", async () => {
  const { peft } = await make(hira({ hiraDropout: 0.5, initWeights: false }));
  const outputs = () => valuesOf(peft.forward(x()));
  peft.eval();
  expect(outputs()).toEqual(outputs());
  peft.train();
  expect(outputs()).not.toEqual(outputs());
});

test("BOFT's butterflies on filters give the same outputs after a merge", async () => {
  const { peft } = await make(boft({ boftNButterflyFactor: 2, initWeights: false }));
  const plain = valuesOf(peft.forward(x()));
  expect(plain).not.toEqual(peft.disableAdapter(() => valuesOf(peft.forward(x()))));
  await peft.mergeAdapter();
  expect(valuesOf(peft.forward(x()))).toEqual(plain.map((value) => expect.closeTo(value, 5)));
});

test.each([
  [
    layer("a"),
    "a has filters of 3 x 3, for which OFT sums overlapping windows in another order, as in PEFT: the adapter changes outputs from the start, and cannot be merged into the weights",
    "OFT reorders windows of 3 x 3",
  ],
  [
    layer("a", { kernel_size: 1, padding: 0, groups: 2 }),
    "a has 2 groups, so that the adapter cannot be merged into the weights",
    "the convolution has 2 groups",
  ],
])("OFT warns about a convolution that cannot be merged: %#", async (one, message, reason) => {
  const { peft, warnings } = await make(oft(), one);
  expect(warnings).toEqual([{ code: "unmergeable", message }]);
  await expect(peft.mergeAdapter()).rejects.toThrow(reason);
});

test.each<[string, PeftConfig]>([
  ["IA3", ia3({ initIa3Weights: false })],
  ["HiRA", hira({ initWeights: false })],
  ["HRA", hra({ r: 3, initWeights: false })],
  ["OFT", oft({ initWeights: false })],
  ["BOFT", boft({ initWeights: false })],
])("%s: rows of a batch use their own adapters", async (_, config) => {
  const { peft } = await make(config);
  const names = ["default", "__base__", "default"];
  const rows = noGrad(() => peft.withAdapterNames(names, () => valuesOf(peft.forward(x()))));
  const adapted = valuesOf(peft.forward(x()));
  const plain = peft.disableAdapter(() => valuesOf(peft.forward(x())));
  const expected = adapted.map((value, i) => (i >= 120 && i < 240 ? plain[i] : value));
  expect(adapted).not.toEqual(plain);
  expect(rows).toEqual(expected.map((value) => expect.closeTo(value, 5)));
});

test("IA3's factors are combined", async () => {
  const { peft } = await make(ia3({ initIa3Weights: false }));
  await peft.addAdapter("other", ia3({ initIa3Weights: false }));
  await peft.addWeightedAdapter(["default", "other"], [0.5, 2], "sum");
  const [first, second, sum] = ["default", "other", "sum"].map((name) =>
    valuesOf([...peft.adapterTensors(name).values()][0]),
  );
  expect(sum).toEqual(first.map((value, i) => expect.closeTo(0.5 * value + 2 * second[i], 5)));
});
