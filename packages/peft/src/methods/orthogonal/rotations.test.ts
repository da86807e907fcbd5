import { eq, Generator, init, matmul, randn, reference, scope, sum, type Tensor, tensor } from "@lowrank/core";
import { Linear, Parameter, type UnaryModule } from "@lowrank/nn";
import { beforeAll, expect, test } from "vitest";
import type { PeftConfig } from "../../config/peftConfig.ts";
import type { Warning } from "../../config/warning.ts";
import { configJson, parseConfig } from "../../files/configFile.ts";
import { getPeftModel } from "../../peftModel/getPeftModel.ts";
import { TinyModel, train } from "../../testing/tinyModel.ts";
import { BOFTConfig } from "./boftConfig.ts";
import { HRAConfig } from "./hraConfig.ts";
import { oft } from "./oft.ts";
import { OFTConfig } from "./oftConfig.ts";
import { identity } from "./rotation.ts";

beforeAll(() => init(reference()));

const options = { onWarning: () => {}, generator: new Generator(3) };

/** Returns an adapter's input rotation, on a layer of `features` inputs, as a matrix. */
async function rotation(config: PeftConfig, features: number): Promise<Tensor> {
  const model = new TinyModel();
  const unit = identity(features, tensor(0));
  const draw = randn([features, features], { generator: new Generator(5) });
  const layer = new Linear(new Parameter(draw));
  Object.assign(model, { extra: layer });
  await getPeftModel(model, config, options);
  layer.weight.dispose();
  layer.weight = new Parameter(unit);
  return scope(() => (model as unknown as { extra: UnaryModule }).extra.forward(unit).detach());
}

/** Returns a matrix's distance from orthogonality after its columns are normalised. */
function farFromOrthogonal(r: Tensor): number {
  const columns = r.div(r.square().sum({ dim: 0 }).sqrt());
  const product = matmul(columns, columns, { transposeA: true }).dataSync();
  const unit = identity(r.shape[0], r).dataSync();
  return Math.max(...product.map((value, i) => Math.abs(value - unit[i])));
}

test.each([
  ["OFT", new OFTConfig({ oftBlockSize: 4, useCayleyNeumann: false, initWeights: false, targetModules: ["extra"] })],
  ["BOFT", new BOFTConfig({ boftBlockSize: 2, boftNButterflyFactor: 3, initWeights: false, targetModules: ["extra"] })],
  ["HRA", new HRAConfig({ r: 3, initWeights: false, targetModules: ["extra"] })],
  ["HRA, orthogonal", new HRAConfig({ r: 3, applyGS: true, initWeights: false, targetModules: ["extra"] })],
])("%s rotates", async (_name, config) => {
  expect(farFromOrthogonal(await rotation(config, 16))).toBeLessThan(1e-6);
});

test.each([true, false])("blocks of one feature turn nothing (useCayleyNeumann: %s)", async (useCayleyNeumann) => {
  const config = new OFTConfig({
    r: 7,
    oftBlockSize: 0,
    useCayleyNeumann,
    initWeights: false,
    targetModules: ["extra"],
  });
  const turned = await rotation(config, 8);
  expect(turned.dataSync()).toEqual(identity(8, turned).dataSync());
});

test("each rotation of BOFT doubles what an output depends on", async () => {
  for (const [factor, reach] of [1, 2, 3].map((factor) => [factor, 2 ** factor])) {
    const config = new BOFTConfig({
      boftBlockSize: 2,
      boftNButterflyFactor: factor,
      initWeights: false,
      targetModules: ["extra"],
    });
    const zeros = sum(eq(await rotation(config, 8), 0).to("f32"), { dim: 0 }).dataSync();
    expect([...zeros]).toEqual(Array(8).fill(8 - reach));
  }
});

test("drawn scales of BOFT are near 1", async () => {
  const net = Object.assign(new TinyModel(), { extra: Linear.create(8, 400) });
  const config = new BOFTConfig({ boftBlockSize: 2, initWeights: false, targetModules: ["extra"] });
  const peft = await getPeftModel(net, config, options);
  const scales = [...peft.adapterTensors()].filter(([name]) => name.includes("boft_s"));
  expect(scales).toHaveLength(1);
  const values = [...scope(() => scales[0][1].to("f32")).dataSync()];
  const mean = values.reduce((a, b) => a + b) / values.length;
  const variance = values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length;
  expect(mean).toBeCloseTo(1, 1);
  expect(Math.sqrt(variance)).toBeCloseTo(0.1, 1);
});

test("constrained blocks stay within their distance from the identity", async () => {
  const config = new OFTConfig({ oftBlockSize: 3, coft: true, eps: 0.01, initWeights: false, targetModules: ["up"] });
  const peft = await getPeftModel(new TinyModel(), config, options);
  train(peft, 3);
  scope(() => peft.forward(tensor(new Int32Array([1, 2]), { shape: [1, 2] })));
  for (const [, weight] of peft.adapterTensors()) {
    for (const row of scope(() => weight.to("f32").square().sum({ dim: 1 }).mul(2).sqrt()).dataSync()) {
      expect(row).toBeLessThanOrEqual((0.01 / Math.sqrt(2)) * (1 + 2e-6));
    }
  }
});

test("OFT blocks that do not divide a layer's features take the nearest size that does, with a warning", async () => {
  const warnings: Warning[] = [];
  const config = new OFTConfig({ oftBlockSize: 4, targetModules: ["layers.0.up"] });
  const peft = await getPeftModel(new TinyModel(), config, { onWarning: (warning) => warnings.push(warning) });
  const message = "layers.0.up: oftBlockSize 4 does not divide its 6 features; 3 is taken there";
  expect(warnings).toEqual([{ code: "adjusted-size", message }]);
  expect([...peft.adapterTensors().values()][0].shape).toEqual([2, 3]);
});

test("features without a divisor near the size get blocks of 1", async () => {
  const net = () => Object.assign(new TinyModel(), { extra: Linear.create(7, 3) });
  const warnings: string[] = [];
  const onWarning = ({ message }: Warning) => void warnings.push(message);
  const sized = await getPeftModel(net(), new OFTConfig({ oftBlockSize: 2, targetModules: ["extra"] }), { onWarning });
  const counted = await getPeftModel(net(), new OFTConfig({ r: 2, oftBlockSize: 0, targetModules: ["extra"] }), {
    onWarning,
  });
  expect(warnings).toEqual([
    "extra: oftBlockSize 2 does not divide its 7 features; 1 is taken there",
    "extra: r 2 does not divide its 7 features; 1 is taken there",
  ]);
  expect([sized, counted].map((peft) => [...peft.adapterTensors().values()][0].shape)).toEqual([
    [7, 0],
    [1, 21],
  ]);
});

test("BOFT's dropout lets blocks rest while training, and only then", async () => {
  const config = new BOFTConfig({ boftBlockSize: 2, boftDropout: 0.7, initWeights: false, targetModules: ["up"] });
  const peft = await getPeftModel(new TinyModel().eval(), config, options);
  const ids = tensor(new Int32Array([1, 2, 3]), { shape: [1, 3] });
  const logits = () => [...scope(() => peft.forward(ids)).logits.dataSync()];
  const still = logits();
  expect(logits()).toEqual(still);
  peft.train();
  expect(logits()).not.toEqual(still);
  peft.eval();
  expect(logits()).toEqual(still);
});

test.each([
  [
    new BOFTConfig({ boftBlockSize: 4, targetModules: ["up"] }),
    "layers.0.up: boftBlockSize 4 must divide its 6 features",
  ],
  [
    new BOFTConfig({ boftBlockSize: 2, boftNButterflyFactor: 2, targetModules: ["up"] }),
    "and boftNButterflyFactor 2 needs blocks of an even size and a number of blocks that 2 divides",
  ],
  [new HRAConfig({ r: 2, applyGS: true, targetModules: ["up"] }), "set initWeights to false"],
])("what does not fit is refused", async (config, message) => {
  await expect(getPeftModel(new TinyModel(), config, options)).rejects.toThrow(message);
});

test.each([
  [() => new OFTConfig({ r: 4 }), "OFTConfig: r is 4; it must be 0, or oftBlockSize (32) must be 0"],
  [
    () => new BOFTConfig({ boftBlockSize: 0 }),
    "BOFTConfig: boftBlockNum is 0; it must be 0, or boftBlockSize (0) must be 0",
  ],
  [() => new HRAConfig({ r: 0 }), "HRAConfig: r is 0"],
  [
    () => new OFTConfig({ numCayleyNeumannTerms: 2 ** 31 }),
    "OFTConfig: numCayleyNeumannTerms is 2147483648; it must be at most 1000",
  ],
])("options that contradict each other are refused", (make, message) => {
  expect(make).toThrow(message);
});

test("a file whose rotations were made otherwise is read with a warning", () => {
  const read = (fields: object) => {
    const warnings: Warning[] = [];
    const json = { peft_type: "OFT", target_modules: ["up"], oft_block_size: 3, ...fields };
    parseConfig(json, { OFT: oft }, "adapter_config.json", (warning) => warnings.push(warning));
    return warnings;
  };
  expect(read({ peft_version: "0.17.1", use_cayley_neumann: true })).toEqual([
    { code: "outdated-file", message: expect.stringContaining("PEFT 0.17.1 wrote it") },
  ]);
  expect(read({ peft_version: "0.17.1", use_cayley_neumann: false })).toEqual([]);
  for (const peft_version of ["0.18.0", "1.0.0"]) expect(read({ peft_version, use_cayley_neumann: true })).toEqual([]);
  expect(read({ use_cayley_neumann: true })[0].message).toContain("PEFT before 0.18 wrote it");
  const own = configJson(oft, new OFTConfig({ targetModules: ["up"] }));
  expect(read(JSON.parse(own))).toEqual([]);
});
