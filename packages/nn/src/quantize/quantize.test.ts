import {
  byteLength,
  Generator,
  init,
  memory,
  type Progress,
  randn,
  reference,
  scope,
  sub,
  sum,
  type Tensor,
  tensor,
  to,
} from "@lowrank/core";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { Embedding } from "../layers/embedding.ts";
import { Conv1D } from "../layers/linear/conv1d.ts";
import { Linear } from "../layers/linear/linear.ts";
import { Linear4bit } from "../layers/linear/linear4bit.ts";
import { ModuleList } from "../module/containers.ts";
import { Module, type UnaryModule } from "../module/module.ts";
import { Parameter } from "../module/parameter.ts";
import { dequantize, quantize, quantizeLinear } from "./quantize.ts";

beforeAll(() => init(reference()));

class Block extends Module {
  up: UnaryModule;
  down: UnaryModule;

  constructor(up: UnaryModule, down: UnaryModule) {
    super();
    this.up = up;
    this.down = down;
  }
}

class Model extends Module {
  embed: Embedding;
  layers: ModuleList<Block>;
  lm_head: UnaryModule;

  constructor({ tied = false, dtype = "f32" as "f32" | "bf16" } = {}) {
    super();
    const generator = new Generator(4);
    const draw = (...shape: number[]) => scope(() => new Parameter(to(randn(shape, { generator }), { dtype })));
    this.embed = new Embedding(draw(20, 16));
    const block = () => new Block(new Linear(draw(24, 16), draw(24)), new Conv1D(draw(24, 16), draw(16)));
    this.layers = new ModuleList([block(), block()]);
    this.lm_head = new Linear(tied ? this.embed.weight : draw(20, 16));
  }

  forward(ids: Tensor): Tensor {
    return scope(() => {
      let x: Tensor = this.embed.forward(ids);
      for (const { up, down } of this.layers) x = x.add(down.forward(up.forward(x)));
      return this.lm_head.forward(x);
    });
  }
}

const ids = () => tensor([[1, 7, 19]], { dtype: "i32" });
const weightsOf = (model: Module) => new Map([...model.namedParameters()].map(([name, p]) => [name, p.dtype]));

describe("quantize", () => {
  it("swaps linears and conv1ds for Linear4bit, leaves the rest, and says so", async () => {
    const model = new Model();
    const report = await quantize(model, { quantType: "nf4" });
    expect(report.quantized.map(({ path, shape }) => `${path} ${shape}`)).toEqual([
      "layers.0.up 24,16",
      "layers.0.down 16,24",
      "layers.1.up 24,16",
      "layers.1.down 16,24",
    ]);
    expect(report.skipped).toEqual([{ path: "lm_head", reason: "it is the output layer" }]);
    expect(report.bytesBefore).toBe(4 * 4 * 384);
    expect(report.bytesAfter).toBe(
      4 * byteLength({ shape: [24, 16], dtype: "nf4", packing: { blockSize: 64, nested: false } }),
    );
    const dtypes = weightsOf(model);
    expect([...dtypes].filter(([, dtype]) => dtype === "nf4").map(([name]) => name)).toEqual([
      "layers.0.up.weight",
      "layers.0.down.weight",
      "layers.1.up.weight",
      "layers.1.down.weight",
    ]);
    expect(dtypes.get("layers.0.down.bias")).toBe("f32");
    const layer = model.getSubmodule("layers.0.down") as Linear4bit;
    expect(layer).toBeInstanceOf(Linear4bit);
    expect([layer.inFeatures, layer.outFeatures, layer.quantType, layer.blockSize, layer.doubleQuant]).toEqual([
      24,
      16,
      "nf4",
      64,
      false,
    ]);
    expect([...model.parameters()].filter((p) => p.requiresGrad && p.dtype !== "f32")).toEqual([]);
  });

  it("computes with exactly the numbers that the codes mean", async () => {
    const [packed, plain] = [new Model(), new Model()];
    for (const model of [packed, plain]) await quantize(model, { quantType: "fp4", blockSize: 32, doubleQuant: true });
    await dequantize(plain);
    expect([...weightsOf(plain).values()].every((dtype) => dtype === "f32")).toBe(true);
    expect(plain.getSubmodule("layers.1.down")).not.toBeInstanceOf(Linear4bit);
    expect(packed.forward(ids()).dataSync()).toEqual(plain.forward(ids()).dataSync());
    const off = sub(packed.forward(ids()), new Model().forward(ids())).dataSync();
    expect(Math.max(...off.map(Math.abs))).toBeGreaterThan(1e-3);
  });

  it("gives the full weights back and takes an eighth of them", async () => {
    const before = memory();
    const model = new Model({ dtype: "bf16" });
    const full = memory();
    const { bytesBefore, bytesAfter } = await quantize(model);
    expect(memory().bytes).toBe(full.bytes - bytesBefore + bytesAfter);
    expect(memory().buffers).toBe(full.buffers);
    for (const parameter of model.parameters()) parameter.dispose();
    expect(memory().buffers).toBe(before.buffers);
  });

  it("skips what skipModules says, by the start or the end of a path", async () => {
    const skipped = async (skipModules: string[]) =>
      (await quantize(new Model(), { skipModules })).skipped.map(({ path }) => path);
    expect(await skipped(["down"])).toEqual(["layers.0.down", "layers.1.down"]);
    expect(await skipped(["layers.1", "lm_head"])).toEqual(["layers.1.up", "layers.1.down", "lm_head"]);
    expect(await skipped([String.raw`layers\.\d+\.up`])).toEqual(["layers.0.up", "layers.1.up"]);
    expect(await skipped([])).toEqual([]);
    expect((await quantize(new Model(), { skipModules: ["0.up"] })).skipped).toEqual([
      { path: "layers.0.up", reason: 'skipModules says "0.up"' },
    ]);
  });

  it("names the layer whose weight is broken", async () => {
    const model = new Model();
    (model.getSubmodule("layers.1.up") as Linear).weight = new Parameter(tensor([[1, Number.NaN]]));
    await expect(quantize(model)).rejects.toThrow(
      "layers.1.up: quantize4bit: the elements 0 to 63 hold a NaN or an infinity",
    );
  });

  it("never unties a weight", async () => {
    const model = new Model({ tied: true });
    const { skipped } = await quantize(model, { skipModules: [] });
    expect(skipped).toEqual([{ path: "lm_head", reason: "it shares its weight with embed" }]);
    expect((model.lm_head as Linear).weight).toBe(model.embed.weight);
  });

  it("refuses names that match nothing, layers quantised before and other weights, and changes nothing then", async () => {
    const model = new Model();
    await expect(quantize(model, { skipModules: ["dwon"] })).rejects.toThrow(
      'starts or ends with "dwon"; did you mean down?',
    );
    await expect(quantize(model, { skipModules: ["layers.(1"] })).rejects.toThrow(
      '"layers.(1" is no regular expression',
    );
    await expect(quantize(model, { skipModules: [""] })).rejects.toThrow('"" matches every path');
    await expect(quantize(model, { blockSize: 48 })).rejects.toThrow(/blockSize is 48/);
    expect([...weightsOf(model).values()]).not.toContain("nf4");
    await quantize(model, { skipModules: ["up", "lm_head"] });
    await expect(quantize(model)).rejects.toThrow("layers.0.down is quantised already (nf4); name it in skipModules");
    expect((model.getSubmodule("layers.0.up") as Linear).weight.dtype).toBe("f32");
    expect((await quantize(model, { skipModules: ["down", "lm_head"] })).quantized.length).toBe(2);
    const odd = new Model();
    (odd.getSubmodule("layers.1.up") as Linear).weight = new Parameter(
      tensor(new Uint8Array(384), { shape: [24, 16] }),
      { requiresGrad: false },
    );
    await expect(quantize(odd)).rejects.toThrow(
      "the weight of layers.1.up is u8; only f32, f16 and bf16 are quantised",
    );
    expect(weightsOf(odd).get("layers.0.up.weight")).toBe("f32");
  });
});

describe("Linear4bit", () => {
  it("gives what its dequantised Linear gives, and the same gradient, whatever its sizes", () => {
    const layers = fc.record({
      inFeatures: fc.integer({ min: 1, max: 40 }),
      outFeatures: fc.integer({ min: 1, max: 40 }),
      bias: fc.boolean(),
      transposed: fc.boolean(),
      quantType: fc.constantFrom("nf4", "fp4"),
      blockSize: fc.constantFrom(32, 64, 256),
      doubleQuant: fc.boolean(),
      seed: fc.nat(1000),
    });
    fc.assert(
      fc.property(layers, ({ inFeatures, outFeatures, bias, transposed, seed, ...packing }) => {
        const generator = new Generator(seed);
        const draw = (...shape: number[]) => new Parameter(randn(shape, { generator }));
        const weight = transposed ? draw(inFeatures, outFeatures) : draw(outFeatures, inFeatures);
        const own = bias ? draw(outFeatures) : null;
        const packed = quantizeLinear(transposed ? new Conv1D(weight, own) : new Linear(weight, own), packing);
        const results = [packed, packed.dequantize()].map((layer) => {
          const x = randn([2, 3, inFeatures], { generator: new Generator(seed + 1), requiresGrad: true });
          const y = layer.forward(x);
          sum(y).backward();
          return [y.dataSync(), x.grad?.dataSync()];
        });
        expect(packed.weight.shape).toEqual([outFeatures, inFeatures]);
        expect(results[0]).toEqual(results[1]);
      }),
      { numRuns: 60 },
    );
  });

  it("takes a packed weight only, which cannot train", () => {
    const { weight } = Linear.create(8, 8, { generator: new Generator(1) });
    expect(() => new Linear4bit(weight)).toThrow("the weight is f32 [8,8], not nf4 or fp4 [out,in]");
    const layer = quantizeLinear(new Linear(weight));
    expect(() => layer.setRequiresGrad(true)).toThrow(/nf4 tensor \[8,8\] cannot require gradients/);
    expect(layer.dequantize("bf16").weight.dtype).toBe("bf16");
  });
});

it("tells its progress layer by layer, in bytes of full weights", async () => {
  const progress: Progress[] = [];
  const { bytesBefore } = await quantize(new Model(), { onProgress: (report) => progress.push(report) });
  expect(progress.map(({ name }) => name)).toEqual(["layers.0.up", "layers.0.down", "layers.1.up", "layers.1.down"]);
  expect(progress.map(({ loaded }) => loaded / bytesBefore)).toEqual([0.25, 0.5, 0.75, 1]);
  expect(new Set(progress.map(({ total }) => total))).toEqual(new Set([bytesBefore]));
});
