import { defaultGenerator, init, manualSeed, reference, square, type Tensor, tensor, zeros } from "@lowrank/core";
import {
  BatchNorm1d,
  Embedding,
  Linear,
  Module,
  ModuleDict,
  ModuleList,
  quantizeLinear,
  Sequential,
} from "@lowrank/nn";
import { beforeAll, describe, expect, test } from "vitest";
import { LoraConfig } from "../methods/lora/loraConfig.ts";
import { getPeftModel } from "../peftModel/getPeftModel.ts";
import { methodCases } from "../testing/methodCases.ts";
import { TinyModel } from "../testing/tinyModel.ts";
import { describeAdapter } from "./describeAdapter.ts";
import { describeModule } from "./describeModule.ts";
import { planMemory } from "./planMemory.ts";
import { reportAdapter } from "./reportAdapter.ts";

beforeAll(() => init(reference()));

/** A module with each kind of field: tied layers, containers, an array of modules, a buffer, a packed weight. */
class Net extends Module {
  embed = new Embedding(16, 8);
  blocks = new ModuleList([new Linear(8, 8), new Linear(8, 8)]);
  named = new ModuleDict({ up: new Linear(8, 64) });
  norm = new BatchNorm1d(64);
  packed = quantizeLinear(new Linear(64, 8));
  head = new Linear(8, 16, { bias: false });
  /** The same modules as in `blocks`. */
  list = [...this.blocks];

  constructor() {
    super();
    this.head.weight = this.embed.weight;
  }

  forward(ids: Tensor): Tensor {
    let x = this.embed.forward(ids);
    for (const block of this.list) x = block.forward(x);
    x = this.norm.forward((this.named.get("up") as Linear).forward(x));
    return this.head.forward(square(this.packed.forward(x)));
  }
}

const lora = () => new LoraConfig({ r: 2, targetModules: ["0", "up", "packed"] });
const inputs = (): [Tensor] => [zeros([6], { dtype: "i32" })];

describe.each(Object.entries(methodCases).flatMap(([method, list]) => list.map((one) => ({ method, ...one }))))(
  "$method: $name",
  ({ config, model: options, sizesFollowWeights }) => {
    test("counts equal getNbTrainableParameters of the adapted module; if ranks come from weights, they bound it", async () => {
      const real = await getPeftModel(new TinyModel(options), config, { onWarning: () => {} });
      const counts = real.getNbTrainableParameters();
      for (const make of [() => new TinyModel(options), new TinyModel(options)]) {
        const shapes = describeModule(make as () => TinyModel, {});
        const { trainable, total } = await reportAdapter(shapes as never, config);
        if (sizesFollowWeights) {
          expect(trainable).toBeGreaterThanOrEqual(counts.trainable);
          expect(total - trainable).toBe(counts.all - counts.trainable);
        } else expect({ trainable, all: total }).toEqual(counts);
      }
    });
  },
);

test("parameters have their names and shapes, and tied ones are listed once", () => {
  const { modelType, parameters } = describeModule(() => new Net());
  expect(modelType).toBe("Net");
  const own = Array.from(new Net().namedParameters(), ([name, { shape }]) => ({ name, shape }));
  expect(parameters).toEqual(own);
  expect(parameters.map(({ name }) => name)).not.toContain("head.weight");
});

test("tied parameters stay tied, and packed ones packed", async () => {
  const base = (
    await describeAdapter(
      describeModule(() => new Net()),
      lora(),
    )
  ).base;
  expect(base).toBe([...new Net().parameters()].reduce((sum, { size }) => sum + size, 0));
  const { baseBytes } = await reportAdapter(
    describeModule(() => new Net()),
    lora(),
  );
  expect(baseBytes).toBe(4 * (base - 512) + 512 / 2 + (4 * 512) / 64 + 4 * 16);
});

test("the plan of a training step equals the plan of the same module with its sizes by hand", async () => {
  const net = () => new Sequential(new Linear(8, 32), new Linear(32, 16));
  const config = new LoraConfig({ r: 2, targetModules: ["0"] });
  const plan = await planMemory(describeModule(net, { inputs: () => [zeros([5, 8])] }), { adapter: config });
  const count = 2 * (8 + 32);
  expect(plan).toMatchObject({
    ...{ batchSize: 5, sequenceLength: 1, optimizer: 8 * count, kvCache: 0, generation: 0 },
    ...{ weights: { bytes: 4 * (8 * 32 + 32 + 32 * 16 + 16) }, gradients: { parameters: count } },
  });
  const wide = await planMemory(describeModule(net, { inputs: () => [zeros([50, 8])] }), { adapter: config });
  expect(wide.activations).toBeGreaterThan(5 * plan.activations);
});

test("operations are counted per row, or as rows names", async () => {
  const flops = async (rows?: number) => {
    const shapes = describeModule(() => new Linear(8, 4, { bias: false }), { inputs: () => [zeros([6, 8])], rows });
    const { inference } = await reportAdapter(shapes, new LoraConfig({ r: 2, targetModules: "" }));
    return inference.baseFlopsPerToken;
  };
  expect(await flops().catch(() => null)).toBe(null);
  const shapes = (rows?: number) => describeModule(() => new Net(), { inputs, rows });
  const per = async (rows?: number) => (await reportAdapter(shapes(rows), null)).inference;
  const [each, two] = [await per(), await per(2)];
  expect([each.sequenceLength, two.sequenceLength]).toEqual([6, 2]);
  expect(two.baseFlopsPerToken).toBe(3 * (each.baseFlopsPerToken as number));
});

test("a loss of the user's own is planned", async () => {
  const called: unknown[] = [];
  const shapes = describeModule(() => new Net(), {
    inputs,
    loss: (model) => {
      called.push(model);
      return model.forward(...inputs()).sum();
    },
  });
  await planMemory(shapes, { adapter: lora() });
  expect(called.length).toBeGreaterThan(0);
});

test("a module that exists is copied and stays as it is", async () => {
  const net = new Net();
  const before = [...net.stateDict()];
  const { inference, trainable } = await reportAdapter(describeModule(net, { inputs }), lora());
  const made = await reportAdapter(
    describeModule(() => new Net(), { inputs }),
    lora(),
  );
  expect([trainable, inference]).toEqual([made.trainable, made.inference]);
  expect([...net.stateDict()]).toEqual(before);
  expect([...net.parameters()].every(({ requiresGrad, dtype }) => requiresGrad === (dtype === "f32"))).toBe(true);
});

test("the default generator keeps its state", async () => {
  manualSeed(4);
  const before = defaultGenerator.state;
  await reportAdapter(
    describeModule(() => new Net()),
    lora(),
  );
  expect(defaultGenerator.state).toEqual(before);
});

describe("misuse", () => {
  class Hidden extends Module {
    up = new Linear(4, 4);
    readonly #scale = 2;

    forward(x: Tensor): Tensor {
      return this.up.forward(x).mul(this.#scale);
    }
  }
  const config = new LoraConfig({ r: 2, targetModules: ["up"] });
  const batch = (): [Tensor] => [zeros([1, 4])];

  test("a module with private fields is described, but its copy cannot run", async () => {
    expect((await reportAdapter(describeModule(new Hidden()), config)).trainable).toBe(16);
    await expect(reportAdapter(describeModule(new Hidden(), { inputs: batch }), config)).rejects.toThrow(
      "give a function such as () => new Net()",
    );
    const { inference } = await reportAdapter(
      describeModule(() => new Hidden(), { inputs: batch }),
      config,
    );
    expect(inference.flopsPerToken).toBe(2 * 16);
  });

  test.each<[string, () => unknown, string]>([
    ["no module", () => describeModule((() => 3) as never), "make returns 3, no module"],
    ["a promise", () => describeModule((async () => new Net()) as never), "make returns a promise"],
    ["no function", () => describeModule(undefined as never), "make is undefined"],
    ["a mistyped option", () => describeModule(() => new Net(), { input: inputs } as never), "did you mean inputs?"],
  ])("%s", (_, run, message) => {
    expect(run).toThrow(message);
  });

  test("a module without inputs has no plan", async () => {
    await expect(
      planMemory(
        describeModule(() => new Net()),
        { adapter: lora() },
      ),
    ).rejects.toThrow("planMemory: loss is missing: Net has no loss of its own");
    const many = describeModule(() => new Net(), { inputs });
    await expect(planMemory(many, { adapter: lora(), batchSize: 3 })).rejects.toThrow(
      "batchSize is 3, but Net runs on its own inputs; leave it out",
    );
    await expect(planMemory(many, { adapter: lora(), gradientCheckpointing: true })).rejects.toThrow(
      "Net has no gradientCheckpointingEnable",
    );
  });

  test("values cannot be read while shapes are described", () => {
    const reads = () => new Linear(tensor(4).itemSync(), 4);
    expect(() => describeModule(reads)).toThrow("have shapes and no data");
  });
});
