import { Generator, init, layerNorm, manualSeed, ones, reference, type Tensor, tensor, zeros } from "@lowrank/core";
import { beforeAll, describe, expect, it } from "vitest";
import * as nn from "./index.ts";

beforeAll(async () => {
  await init(reference());
});

const { Parameter } = nn;

/** Names of the exported module classes that can be constructed. */
type ModuleName = {
  [K in keyof typeof nn]: (typeof nn)[K] extends new (...args: never[]) => nn.Module ? K : never;
}[keyof typeof nn];

/** Arguments in PyTorch's order, and the shapes of the resulting state dict. */
interface Fresh {
  readonly args: readonly unknown[];
  readonly state: Readonly<Record<string, readonly number[]>>;
}

const ofBatch = { weight: [3], bias: [3], running_mean: [3], running_var: [3], num_batches_tracked: [] };
const none = { args: [], state: {} };

/** One entry per module. A missing entry does not compile. */
const modules: Readonly<Record<Exclude<ModuleName, "Linear4bit">, readonly Fresh[]>> = {
  Linear: [
    { args: [4, 8], state: { weight: [8, 4], bias: [8] } },
    { args: [4, 8, { bias: false }], state: { weight: [8, 4] } },
  ],
  Conv1D: [{ args: [12, 4], state: { weight: [4, 12], bias: [12] } }],
  Conv1d: [
    { args: [2, 4, 3], state: { weight: [4, 2, 3], bias: [4] } },
    { args: [2, 4, 3, { groups: 2, bias: false }], state: { weight: [4, 1, 3] } },
  ],
  Conv2d: [
    { args: [1, 4, 3], state: { weight: [4, 1, 3, 3], bias: [4] } },
    { args: [2, 4, [3, 1], { groups: 2, bias: false }], state: { weight: [4, 1, 3, 1] } },
  ],
  MultiheadAttention: [
    {
      args: [4, 2],
      state: { in_proj_weight: [12, 4], in_proj_bias: [12], "out_proj.weight": [4, 4], "out_proj.bias": [4] },
    },
    {
      args: [4, 2, { bias: false, kdim: 3, vdim: 5, addBiasKv: true }],
      state: {
        q_proj_weight: [4, 4],
        k_proj_weight: [4, 3],
        v_proj_weight: [4, 5],
        bias_k: [1, 1, 4],
        bias_v: [1, 1, 4],
        "out_proj.weight": [4, 4],
      },
    },
  ],
  Embedding: [
    { args: [65, 64], state: { weight: [65, 64] } },
    { args: [5, 2, { paddingIdx: 1 }], state: { weight: [5, 2] } },
  ],
  LayerNorm: [
    { args: [64], state: { weight: [64], bias: [64] } },
    { args: [[64], { eps: 1e-6, bias: false }], state: { weight: [64] } },
  ],
  RMSNorm: [
    { args: [64], state: { weight: [64] } },
    { args: [[64], { eps: 1e-6 }], state: { weight: [64] } },
  ],
  BatchNorm1d: [{ args: [3], state: ofBatch }],
  BatchNorm2d: [{ args: [3, { momentum: 0.2 }], state: ofBatch }],
  MaxPool1d: [{ args: [2], state: {} }],
  MaxPool2d: [{ args: [[2, 2], { stride: 1 }], state: {} }],
  AvgPool1d: [{ args: [2], state: {} }],
  AvgPool2d: [{ args: [2], state: {} }],
  Dropout: [{ args: [0.3], state: {} }, none],
  Flatten: [none, { args: [{ startDim: 0 }], state: {} }],
  GELU: [none, { args: [{ approximate: "tanh" }], state: {} }],
  ReLU: [none],
  SiLU: [none],
  Sigmoid: [none],
  Tanh: [none],
  Residual: [none],
  ModuleList: [none, { args: [[new nn.ReLU()]], state: {} }],
  ModuleDict: [none, { args: [{ act: new nn.ReLU() }], state: {} }],
  Sequential: [none, { args: [new nn.ReLU(), new nn.Tanh()], state: {} }],
};

describe("every module", () => {
  it("every exported module has a row in the table, or is abstract", () => {
    const exported = Object.entries(nn).filter(
      ([, value]) => typeof value === "function" && (value as { prototype?: unknown }).prototype instanceof nn.Module,
    );
    const abstract = ["AttentionLayer"];
    // `quantizeLinear` creates a fresh one, so that pages without quantisation do not download it.
    const fromTensors = ["Linear4bit"];
    expect(
      exported
        .map(([name]) => name)
        .filter((name) => ![...abstract, ...fromTensors].includes(name))
        .sort(),
    ).toEqual(Object.keys(modules).sort());
  });

  // biome-ignore lint/suspicious/noExplicitAny: classes of a table
  const classes = new Map<string, any>(Object.entries(nn));
  const lines = Object.entries(modules).flatMap(([name, all]) =>
    all.map((fresh) => [`${name}(${JSON.stringify(fresh.args).slice(1, -1)})`, name, fresh] as const),
  );
  it.each(lines)("%s is made by new and by create", async (_call, name, { args, state }) => {
    const Class = classes.get(name);
    const make = (way: () => nn.Module) => {
      manualSeed(3);
      return way();
    };
    const [made, created] = [make(() => new Class(...args)), make(() => Class.create(...args))];
    for (const module of [made, created]) {
      expect(module).toBeInstanceOf(Class);
      const shapes = [...module.stateDict()].map(([key, { shape }]) => [key, [...shape]]);
      expect(Object.fromEntries(shapes)).toEqual(state);
    }
    const bytes = async (module: nn.Module) =>
      Promise.all([...module.stateDict().values()].map(async (t) => [...(await t.bytes())]));
    expect(await bytes(created)).toEqual(await bytes(made));
  });
});

describe("create", () => {
  it("makes modules of a custom class", () => {
    class Net extends nn.Module {
      readonly up: nn.Linear;
      constructor(width: number, options: { bias?: boolean } = {}) {
        super();
        this.up = new nn.Linear(width, 2, options);
      }
    }
    const net: Net = Net.create(3, { bias: false });
    expect([...net.stateDict().keys()]).toEqual(["up.weight"]);
  });

  it("takes tensors too, as the constructor does", () => {
    const [weight, bias] = [new Parameter(ones([4])), new Parameter(zeros([4]))];
    expect(new nn.LayerNorm(weight, bias, 0.5).eps).toBe(0.5);
    expect(new nn.RMSNorm(weight, 0.25).eps).toBe(0.25);
    expect(new nn.Embedding(new Parameter(ones([3, 2])), { paddingIdx: 2 }).paddingIdx).toBe(2);
    expect(new nn.Conv2d(new Parameter(ones([1, 1, 2, 2])), null, { padding: 1 }).options).toEqual({ padding: 1 });
  });
});

describe("fresh layers", () => {
  it("LayerNorm without a bias gives the results and gradients of LayerNorm with a bias of zeros", () => {
    const x = tensor([1, 2, 4, 8, 0, -3, 2, 1], { shape: [2, 4] });
    x.requiresGrad = true;
    const run = (layer: (x: Tensor) => Tensor) => {
      x.grad = null;
      const y = layer(x);
      y.square().sum().backward();
      return [...y.dataSync(), ...x.grad!.dataSync()];
    };
    const norm = new nn.LayerNorm(4, { bias: false });
    expect(norm.bias).toBe(null);
    expect(run((t) => norm.forward(t))).toEqual(run((t) => layerNorm(t, ones([4]), zeros([4]), { eps: 1e-5 })));
    expect(norm.weight.grad!.shape).toEqual([4]);
  });

  it("Embedding has a row of zeros for padding, counted from the end if below 0", () => {
    const layer = new nn.Embedding(4, 2, { paddingIdx: -1, generator: new Generator(1) });
    const plain = new nn.Embedding(4, 2, { generator: new Generator(1) });
    expect(layer.paddingIdx).toBe(3);
    expect([...layer.weight.dataSync()]).toEqual([...plain.weight.dataSync().slice(0, 6), 0, 0]);
  });

  it("Conv1D is drawn from N(0, 0.02²), as transformers draws it", () => {
    const { weight, bias } = new nn.Conv1D(200, 100, { generator: new Generator(1) });
    const squares = [...weight.dataSync()].reduce((sum, v) => sum + Number(v) ** 2, 0);
    expect(Math.sqrt(squares / weight.size)).toBeCloseTo(0.02, 3);
    expect([...bias!.dataSync()].every((v) => v === 0)).toBe(true);
  });

  it("RMSNorm adds the machine epsilon of f32, as PyTorch does", () => {
    expect(new nn.RMSNorm(4).eps).toBe(1.1920928955078125e-7);
  });

  // biome-ignore lint/suspicious/noExplicitAny: calls from JavaScript have no types
  const loose = nn as any;
  it.each<[string, () => unknown, string]>([
    ["new Embedding(65)", () => new loose.Embedding(65), "Embedding: sizes are 65 and [object Object]; all must be"],
    ["new Embedding(4, 0)", () => new loose.Embedding(4, 0), "as in new Embedding(65, 64)"],
    [
      "a padding id",
      () => new loose.Embedding(4, 2, { paddingIdx: 4 }),
      "paddingIdx is 4; it must be the index of a row, from -4 to 3",
    ],
    [
      "new LayerNorm([2, 3])",
      () => new loose.LayerNorm([2, 3]),
      "the shape is [2,3]; it normalises the last dimension",
    ],
    ["new LayerNorm(1.5)", () => new loose.LayerNorm(1.5), "sizes are 1.5; all must be whole numbers above 0"],
    ["new Conv2d(3, 4, 3, groups 2)", () => new loose.Conv2d(3, 4, 3, { groups: 2 }), "Conv2d: sizes are 4 and 1.5"],
    ["new Conv2d()", () => new loose.Conv2d(), "Conv2d: weight is undefined; make the layer as new Conv2d(1, 4, 3)"],
    ["new Conv1d(1, 4)", () => new loose.Conv1d(1, 4), "as in new Conv1d(1, 4, 3)"],
    ["new Conv1D(tensor)", () => new loose.Conv1D(ones([2, 2])), "weight is a tensor that is no Parameter; make"],
    ["new BatchNorm2d()", () => new loose.BatchNorm2d(), "BatchNorm2d: sizes are ; all must be"],
    ["new Linear4bit(64)", () => new loose.Linear4bit(64), "make a fresh layer as quantizeLinear(new Linear(64, 8))"],
    ["an option", () => new loose.LayerNorm(4, { elementwise_affine: false }), "there is no option elementwise_affine"],
  ])("%s throws an error that names the value and the call", (_call, run, message) => {
    expect(run).toThrow(message);
  });
});
