import {
  copyInto,
  eq,
  Generator,
  init,
  matmul,
  noGrad,
  randn,
  reference,
  scope,
  sum,
  type Tensor,
  tensor,
} from "@lowrank/core";
import { Linear, Module, Parameter, type UnaryModule } from "@lowrank/nn";
import { beforeAll, describe, expect, test } from "vitest";
import type { PeftConfig } from "../config/peftConfig.ts";
import type { Warning } from "../config/warning.ts";
import { getPeftModel } from "../peftModel/getPeftModel.ts";
import { PeftModel } from "../peftModel/peftModel.ts";
import { ownMethods } from "../testing/ownMethods.ts";
import { TinyModel, tinyBatch } from "../testing/tinyModel.ts";
import { GraloraConfig } from "./lowRank/graloraConfig.ts";
import { MissConfig } from "./lowRank/missConfig.ts";
import { RandLoraConfig } from "./lowRank/randloraConfig.ts";
import { LoHaConfig } from "./lycoris/lohaConfig.ts";
import { LycorisDropout } from "./lycoris/lycoris.ts";
import { optionsOf } from "./offered.ts";
import { BOFTConfig } from "./orthogonal/boftConfig.ts";
import { HRAConfig } from "./orthogonal/hraConfig.ts";
import { OFTConfig } from "./orthogonal/oftConfig.ts";
import { identity } from "./orthogonal/rotation.ts";
import { VBLoRAConfig } from "./sharedVectors/vbloraConfig.ts";
import { FourierFTConfig } from "./spectral/fourierftConfig.ts";
import { BitFitConfig } from "./vectors/bitFitConfig.ts";

beforeAll(() => init(reference()));

const methods = await ownMethods();

/** Sizes that fit layers of 6 inputs and 10 outputs. */
const sizes: Readonly<Record<string, object>> = {
  ADALORA: { initR: 2, totalStep: 9, initLoraWeights: false },
  BOFT: { boftBlockSize: 2, initWeights: false },
  FROD: { sparseRate: 0.5, initWeights: false },
  GRALORA: { r: 2, initWeights: false },
  LORA: { r: 2, initLoraWeights: false },
  MISS: { r: 2, initWeights: false },
  OFT: { oftBlockSize: 3, initWeights: false },
  RANDLORA: { r: 2, initWeights: false },
  VBLORA: { r: 2, numVectors: 8, vectorLength: 2, initVectorBankBound: 0.5 },
  TINYLORA: { r: 2, u: 9, initWeights: "uniform", initVBound: 0.5 },
  UNILORA: { r: 2, thetaDLength: 9, initThetaDBound: 0.5 },
  VERA: { r: 4, initWeights: false },
};
const options = { onWarning: () => {} };
/** OFT ignores its dropout, as PEFT does; P-tuning, bottlenecks and Shadow have separate tests. */
// PVeRA draws values in training without dropout too.
const apart = ["OFT", "P_TUNING", "BOTTLENECK", "PVERA", "SHADOW"];
const dropouts = Object.values(methods).flatMap((method) =>
  (apart.includes(method.peftType) ? [] : optionsOf(method))
    .filter(({ field, type }) => /dropout/i.test(field) && type === "number")
    .map(({ field }) => [method.peftType, field] as const),
);

describe.each(dropouts)("%s: %s", (type, field) => {
  const made = (p: number) => {
    const Config = methods[type as keyof typeof methods].Config as new (fields: object) => PeftConfig;
    const fields = sizes[type] ?? { r: 2, initWeights: false };
    const config = new Config({ ...fields, targetModules: ["up"], [field]: p });
    return getPeftModel(new TinyModel().eval(), config, { ...options, generator: new Generator(2) });
  };
  const answer = (peft: PeftModel<TinyModel>) => [...scope(() => peft.forward(tinyBatch()).logits).dataSync()];

  test("0 has no module, and the same answers in training", async () => {
    const peft = await made(0);
    expect(Array.from(peft.namedModules(), ([path]) => path).filter((path) => /dropout/.test(path))).toEqual([]);
    const still = answer(peft);
    peft.train();
    expect(answer(peft)).toEqual(still);
    expect(answer(peft)).toEqual(still);
  });

  test("numbers are dropped in training, and only then", async () => {
    const [peft, plain] = [await made(0.6), await made(0)];
    expect(answer(peft)).toEqual(answer(plain));
    peft.train();
    const answers = Array.from({ length: 12 }, () => answer(peft).join());
    expect(new Set(answers).size).toBeGreaterThan(1);
    peft.eval();
    expect(answer(peft)).toEqual(answer(plain));
  });
});

describe("dropout of LoHa and LoKr", () => {
  /** A dropout that uses `draws` as its random numbers. */
  const made = (rankDropout: number, moduleDropout: number, draws: number[] = []) => {
    const fillUniform = (values: Float32Array) => values.set(draws.splice(0, values.length));
    const generator = { fork: () => ({ fillUniform }) };
    return new LycorisDropout({ config: { rankDropout, moduleDropout }, path: "p", generator } as never);
  };
  const layer = () => new Linear(new Parameter(tensor(new Float32Array(4), { shape: [4, 1] })));
  const mask = (dropout: LycorisDropout, scaled: boolean) => {
    const found = dropout.mask(layer(), scaled);
    return found && [...found.dataSync()];
  };

  test("a layer without dropout never leaves anything out", () => {
    expect([made(0, 0), made(0.1, 0), made(0, 0.1), made(0.1, 0.1)].map(({ never }) => never)).toEqual([
      ...[true, false, false, false],
    ]);
    expect(made(0, 0, [0, 0]).skips()).toBe(false);
    expect(mask(made(0, 0.5, [0, 0, 0, 0]), true)).toBe(null);
  });

  test("the adapter is left out for draws up to the probability", () => {
    const dropout = made(0, 0.25, [0.125, 0.25, 0.375, 0]);
    expect([dropout.skips(), dropout.skips(), dropout.skips()]).toEqual([true, true, false]);
    expect(dropout.eval().skips()).toBe(false);
  });

  test("outputs are left out for draws up to the probability, and the rest is scaled", () => {
    expect(mask(made(0.25, 0, [0, 0.25, 0.375, 0.5]), false)).toEqual([0, 0, 1, 1]);
    expect(mask(made(0.25, 0, [0, 0.25, 0.375, 0.5]), true)).toEqual([0, 0, 2, 2]);
    expect(mask(made(0.25, 0, [0, 0.25, 0.125, 0.5]), true)).toEqual([0, 0, 0, 4]);
    expect(mask(made(0.5, 0, [0, 0, 0.5, 0.5]), true)).toEqual([0, 0, 0, 0]);
    expect(mask(made(0.5, 0, [0, 0, 0, 0]).eval(), true)).toBe(null);
  });
});

describe("BOFT", () => {
  /** Returns several draws of the rotation of a layer with `features` inputs, as matrices. */
  async function rotations(config: BOFTConfig, features: number, times = 1, seed = 3): Promise<Tensor[]> {
    const unit = identity(features, tensor(0));
    const layer = new Linear(new Parameter(unit));
    const model = Object.assign(new TinyModel(), { extra: layer as UnaryModule });
    await getPeftModel(model, config, { ...options, generator: new Generator(seed) });
    model.train();
    return Array.from({ length: times }, () => scope(() => model.extra.forward(unit).detach()));
  }
  const config = (fields: object) =>
    new BOFTConfig({ boftBlockSize: 2, initWeights: false, targetModules: ["extra"], ...fields });
  /** Returns 1 for nonzero entries and 0 for others. */
  const pattern = (r: Tensor) => [...r.dataSync()].map((x) => (Math.abs(Number(x)) > 1e-6 ? 1 : 0));

  test.each([2, 4, 6])("in blocks of %i, each rotation joins runs of twice as many features", async (boftBlockSize) => {
    const features = 4 * boftBlockSize;
    for (const factor of [1, 2, 3]) {
      const [r] = await rotations(config({ boftBlockSize, boftNButterflyFactor: factor }), features);
      const run = boftBlockSize * 2 ** (factor - 1);
      const same = (i: number) => Math.floor(Math.floor(i / features) / run) === Math.floor((i % features) / run);
      expect(pattern(r)).toEqual(Array.from({ length: features ** 2 }, (_, i) => (same(i) ? 1 : 0)));
      const scales = scope(() => r.square().sum({ dim: 0 }).sqrt());
      const columns = r.div(scales);
      const unit = identity(features, r).dataSync();
      for (const [i, x] of matmul(columns, columns, { transposeA: true }).dataSync().entries())
        expect(Number(x)).toBeCloseTo(Number(unit[i]), 5);
    }
  });

  test("blocks of each rotation are of features half a run apart", async () => {
    const pairs = [
      ["0,1", "2,3", "4,5", "6,7"],
      ["0,2", "1,3", "4,6", "5,7"],
      ["0,4", "1,5", "2,6", "3,7"],
    ];
    for (const [level, expected] of pairs.entries()) {
      for (const [block, pair] of expected.entries()) {
        const layer = new Linear(new Parameter(identity(8, tensor(0))));
        const model = Object.assign(new TinyModel(), { extra: layer as UnaryModule });
        const peft = await getPeftModel(model, config({ boftNButterflyFactor: 3 }), options);
        const values = new Float32Array(3 * 4 * 2 * 2);
        values[(level * 4 + block) * 4 + 1] = 1;
        const [key] = [...peft.adapterTensors().keys()].filter((name) => name.includes("boft_R"));
        const target = peft.adapterTensors().get(key)!;
        noGrad(() => copyInto(target, tensor(values, { shape: target.shape })));
        const r = scope(() => model.extra.forward(identity(8, tensor(0))).detach());
        const mixed = pattern(r).flatMap((x, i) => (x === 1 && i % 8 > i >> 3 ? [`${i >> 3},${i % 8}`] : []));
        expect(mixed).toEqual([pair]);
      }
    }
  });

  test.each([
    [0.25, 1],
    [0.5, 2],
    [0.75, 3],
    [0.2, 0],
  ])("with dropout %d, %i of 4 blocks of a rotation rest", async (boftDropout, resting) => {
    const seen = new Set<number>();
    for (const r of await rotations(config({ boftDropout }), 8, 40)) {
      const values = [...r.dataSync()].map(Number);
      const rests = [0, 1, 2, 3].filter((block) => {
        const at = (i: number, j: number) => values[(2 * block + i) * 8 + 2 * block + j];
        return at(0, 1) === 0 && at(1, 0) === 0;
      });
      expect(rests).toHaveLength(resting);
      for (const block of rests) seen.add(block);
    }
    expect(seen.size).toBe(resting === 0 ? 0 : 4);
  });

  test("blocks of any of the rotations rest, one rotation at a time", async () => {
    const found = await rotations(config({ boftDropout: 0.75, boftNButterflyFactor: 2 }), 8, 120);
    // One of 4 blocks of one of the two rotations is not dropped.
    expect(new Set(found.map((r) => pattern(r).join(""))).size).toBe(8);
    const zeros = found.map((r) => Number(sum(eq(r, 0).to("f32")).itemSync()));
    expect(Math.min(...zeros)).toBeGreaterThan(0);
  });
});

describe("sizes of layers of 6 inputs and 10 outputs", () => {
  const put = (config: PeftConfig) => getPeftModel(new TinyModel().eval(), config, options);
  const up = { targetModules: ["up"] };

  test.each<[string, PeftConfig, string | null]>([
    ["MiSS takes ranks up to the inputs", new MissConfig({ ...up, r: 6 }), null],
    ["MiSS takes no more", new MissConfig({ ...up, r: 7 }), "layers.0.up is [10,6]: r 7 must be at most its 6 inputs"],
    ["MiSS bat", new MissConfig({ ...up, r: 2, initWeights: "bat" }), null],
    [
      "MiSS bat, outputs",
      new MissConfig({ ...up, r: 3, initWeights: "bat" }),
      'r 3 must divide both sizes if initWeights is "bat"',
    ],
    [
      "MiSS bat, inputs",
      new MissConfig({ ...up, r: 5, initWeights: "bat" }),
      'r 5 must divide both sizes if initWeights is "bat"',
    ],
    ["MiSS mini", new MissConfig({ ...up, r: 3, initWeights: "mini", miniR: 5 }), null],
    [
      "MiSS mini, outputs",
      new MissConfig({ ...up, r: 3, initWeights: "mini", miniR: 3 }),
      "must divide its 10 outputs",
    ],
    ["GraLoRA", new GraloraConfig({ ...up, r: 2, graloraK: 2 }), null],
    ["GraLoRA, outputs", new GraloraConfig({ ...up, r: 3, graloraK: 3 }), "graloraK 3"],
    ["GraLoRA, inputs", new GraloraConfig({ ...up, r: 5, graloraK: 5 }), "graloraK 5"],
    ["VB-LoRA", new VBLoRAConfig({ ...up, vectorLength: 2 }), null],
    ["VB-LoRA, outputs", new VBLoRAConfig({ ...up, vectorLength: 3 }), "vectorLength 3 must divide both"],
    ["VB-LoRA, inputs", new VBLoRAConfig({ ...up, vectorLength: 5 }), "vectorLength 5 must divide both"],
    ["FourierFT", new FourierFTConfig({ ...up, nFrequency: 60 }), null],
    ["FourierFT, one more", new FourierFTConfig({ ...up, nFrequency: 61 }), "nFrequency 61 must be at most 60"],
    ["BOFT, odd blocks", new BOFTConfig({ ...up, boftBlockSize: 3 }), null],
    ["BOFT, one block", new BOFTConfig({ ...up, boftBlockSize: 6 }), null],
    ["BOFT, count", new BOFTConfig({ ...up, boftBlockSize: 0, boftBlockNum: 2 }), null],
    ["BOFT, other count", new BOFTConfig({ ...up, boftBlockSize: 0, boftBlockNum: 4 }), "boftBlockNum 4 must divide"],
    [
      "BOFT, odd blocks that would be halved",
      new BOFTConfig({ ...up, boftBlockSize: 3, boftNButterflyFactor: 2 }),
      "boftBlockSize 3 must divide its 6 features, and boftNButterflyFactor",
    ],
  ])("%s", async (_name, config, message) => {
    if (message === null) expect((await put(config)).activeAdapter).toBe("default");
    else await expect(put(config)).rejects.toThrow(message);
  });

  test("HRA warns of odd ranks, which do not start as a no-op", async () => {
    const codes = async (config: HRAConfig) => {
      const warnings: Warning[] = [];
      const onWarning = (warning: Warning) => warnings.push(warning);
      const peft = await getPeftModel(new TinyModel(), config, { onWarning });
      const made = warnings.length;
      await PeftModel.fromPretrained(new TinyModel(), await peft.adapterFiles(), { onWarning });
      return [made, warnings.length - made];
    };
    const made = (r: number, initWeights = true) =>
      codes(new HRAConfig({ targetModules: ["layers.0.up"], r, initWeights }));
    expect([await made(2), await made(3), await made(3, false)]).toEqual([
      [0, 0],
      [1, 0],
      [0, 0],
    ]);
  });
});

class Net extends Module {
  layer: UnaryModule;

  constructor(inputs: number, outputs: number) {
    super();
    const draw = (shape: number[], seed: number) => new Parameter(randn(shape, { generator: new Generator(seed) }));
    this.layer = new Linear(draw([outputs, inputs], 1), draw([outputs], 2));
  }

  forward(x: Tensor): Tensor {
    return this.layer.forward(x);
  }
}

const valuesOf = (t: Tensor) => [...(t.dataSync() as Float32Array)];

// The update is computed as a product on the first layer, and as a whole matrix on the second.
test.each([
  [40, 30],
  [6, 10],
])("LoHa on a layer [%i, %i] adds the product of two products", async (inputs, outputs) => {
  const config = new LoHaConfig({ r: 2, alpha: 3, initWeights: false, targetModules: ["layer"] });
  const peft = await getPeftModel(new Net(inputs, outputs), config, options);
  const [wa, wb, va, vb] = ["w1_a", "w1_b", "w2_a", "w2_b"].map((name) =>
    valuesOf(peft.adapterTensors().get(`base_model.model.layer.hada_${name}`)!),
  );
  const x = randn([2, inputs], { generator: new Generator(3) });
  const base = valuesOf(peft.disableAdapter(() => peft.forward(x)));
  const inputsOf = valuesOf(x);
  const added = Array.from({ length: 2 * outputs }, (_, at) => {
    const [row, o] = [Math.floor(at / outputs), at % outputs];
    let sum = 0;
    for (let i = 0; i < inputs; i++) {
      const of = (a: number[], b: number[]) => a[2 * o] * b[i] + a[2 * o + 1] * b[inputs + i];
      sum += inputsOf[row * inputs + i] * of(wa, wb) * of(va, vb) * (3 / 2);
    }
    return sum;
  });
  expect(Math.max(...added.map(Math.abs))).toBeGreaterThan(0.01);
  const near = (found: Tensor, expected: number[]) => {
    for (const [i, value] of valuesOf(found).entries()) expect(value).toBeCloseTo(expected[i], 3);
  };
  near(
    peft.forward(x),
    added.map((value, i) => base[i] + value),
  );
  const rows = peft.withAdapterNames(["__base__", "default"], () => peft.forward(x));
  near(
    rows,
    base.map((value, i) => (i < outputs ? value : value + added[i])),
  );
});

test.each([
  { factor: 0.5, kept: true },
  { factor: 1, kept: true },
  { factor: 1 + 4e-7, kept: true },
  { factor: 1.5, kept: false },
  { factor: 3, kept: false },
])("constrained OFT with blocks of $factor times the limit", async ({ factor, kept }) => {
  const config = new OFTConfig({ r: 0, oftBlockSize: 2, coft: true, eps: 0.6, targetModules: ["layer"] });
  const peft = await getPeftModel(new Net(4, 3), config, options);
  const [weight] = peft.adapterTensors().values();
  // Each of two blocks has one value, which is in its matrix twice.
  const limit = 0.6 / Math.sqrt(2) / Math.sqrt(2);
  noGrad(() => copyInto(weight, tensor([[factor * limit], [-factor * limit]])));
  const before = valuesOf(weight);
  scope(() => void peft.forward(randn([1, 4], { generator: new Generator(1) })));
  if (kept) expect(valuesOf(weight)).toEqual(before);
  else for (const [i, sign] of [1, -1].entries()) expect(valuesOf(weight)[i]).toBeCloseTo(sign * limit, 6);
});

test.each([
  [{ sparse: true }, 2 / 3],
  [{ verySparse: true }, 0.9],
  [{}, 0],
])("bases of RandLoRA with %j have a share of %d zeros", async (fields, share) => {
  const config = new RandLoraConfig({ r: 10, targetModules: ["layer"], ...fields });
  const peft = await getPeftModel(new Net(100, 100), config, options);
  const bases = [...peft.adapterTensors()].filter(([key]) => /randlora_[AB]$/.test(key));
  // Files have them for each layer too.
  expect(bases).toHaveLength(4);
  for (const [, basis] of bases) {
    const values = valuesOf(basis);
    expect(Math.abs(values.filter((x) => x === 0).length / values.length - share)).toBeLessThan(0.05);
    expect(Math.sqrt(values.reduce((sum, x) => sum + x * x, 0) / values.length)).toBeCloseTo(1, 1);
  }
});

test("BitFit on a single layer trains its bias", async () => {
  const peft = await getPeftModel(new TinyModel(), new BitFitConfig({ targetModules: ["layers.0.up"] }), options);
  expect([...peft.trainableParameters()].map(({ shape }) => [...shape])).toEqual([[10]]);
});
