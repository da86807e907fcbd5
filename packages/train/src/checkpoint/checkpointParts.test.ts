import { copyInto, exp, init, matmul, noGrad, reference, sum, tanh, tensor, zeros } from "@lowrank/core";
import { memoryFiles } from "@lowrank/files";
import { AdamW, Module, ModuleBuffer, Parameter, SGD } from "@lowrank/nn";
import { beforeAll, describe, expect, it, test } from "vitest";
import { crc32, hexOf } from "../data/crc32.ts";
import { Trainer } from "../trainer/trainer.ts";
import { BestModel } from "./bestModel.ts";
import { readCheckpointState } from "./checkpointState.ts";
import { differencesOf, type FingerprintedRun, fingerprintOf } from "./fingerprint.ts";
import { pruneCheckpoints } from "./pruneCheckpoints.ts";
import { getLastCheckpoint, isWholeCheckpoint, listFiles } from "./wholeCheckpoint.ts";

beforeAll(() => init(reference()));

class Two extends Module {
  a = new Parameter(tensor([1, 2]));
  frozen: Parameter;
  constructor(size = 2, value = 0) {
    super();
    this.frozen = new Parameter(size === 2 ? tensor([value, value]) : zeros([size]).add(value), {
      requiresGrad: false,
    });
  }
}

/** Returns the fingerprint of a run with these parts. */
async function of(options: object = {}, more: Partial<FingerprintedRun> & { make?: () => Two } = {}) {
  const { make = () => new Two(), ...rest } = more;
  const model = make();
  const optimizer = new AdamW([model.a], { lr: 0.5 });
  const run = { model, examples: [], options, optimizer, peaks: [0.5], maxSteps: 7, ...rest };
  return fingerprintOf(run as unknown as FingerprintedRun);
}

describe("the fingerprint of a run", () => {
  it("has the documented defaults", async () => {
    const { model, arithmetic, ...settings } = await of();
    expect(settings).toEqual({
      ...{ batchSize: 8, gradientAccumulationSteps: 1, maxGradNorm: 1, schedule: "linear", warmupSteps: 0 },
      ...{ shuffle: true, groupByLength: false, minLr: 0, minLrRate: 0, neftuneNoiseAlpha: 0, precision: "highest" },
      ...{ seed: 0, maxSteps: 7, optimizer: "adamw", learningRate: 0.5, betas: [0.9, 0.999], eps: 1e-8 },
      ...{ weightDecay: 0.01, examples: "0 examples (00000000)" },
    });
    expect(model).toMatch(/^[0-9a-f]{8}$/);
    expect(arithmetic).toMatch(/^reference [0-9a-f]{8}$/);
  });

  it("leaves out what does not affect the results", async () => {
    expect(await of({ shuffle: false })).not.toHaveProperty("seed");
    expect(await of({ shuffle: false, neftuneNoiseAlpha: 0.5 })).toMatchObject({ seed: 0 });
    expect(await of({ seed: 3 })).toMatchObject({ seed: 3 });
    expect(await of({ schedule: "constant" })).not.toHaveProperty("maxSteps");
    expect(await of({ schedule: () => 1 })).toMatchObject({ schedule: "own", maxSteps: 7 });
    expect(await of({ evaluation: { examples: [1], every: 2 } })).not.toHaveProperty("evaluationEvery");
    expect(await of({ optimizer: {} })).toMatchObject({ optimizer: "own" });
    const settings = { task: "mine", scale: 2, none: undefined };
    const own = await of({ collate: () => 0, loss: () => 0, settings });
    expect(own).toMatchObject({ task: "mine", scale: 2 });
    expect(own).not.toHaveProperty("none");
    expect(await of({ padTokenId: 3, maxLength: 9, padToMultipleOf: undefined })).toMatchObject({
      ...{ padTokenId: 3, maxLength: 9 },
    });
  });

  it("has the options of evaluations that determine the weights", async () => {
    const evaluation = { examples: [1, 2], every: 2 };
    expect(await of({ loadBestModelAtEnd: true, evaluation })).toMatchObject({
      ...{ loadBestModelAtEnd: true, metricForBestModel: "loss", greaterIsBetter: null },
      ...{ earlyStoppingPatience: null, earlyStoppingThreshold: 0, evaluationEvery: 2 },
      evaluationExamples: expect.stringMatching(/^2 examples \([0-9a-f]{8}\)$/),
    });
    expect(await of({ earlyStoppingPatience: 3, evaluation: { examples: [1] } })).toMatchObject({
      ...{ loadBestModelAtEnd: false, earlyStoppingPatience: 3, evaluationEvery: null },
    });
    expect(await of({ earlyStoppingPatience: 3 })).not.toHaveProperty("earlyStoppingPatience");
  });

  it("has one value of settings that all groups share, and otherwise all values", async () => {
    const model = new Two();
    const [x, y] = [new Parameter(tensor([1])), new Parameter(tensor([1]))];
    const groups = [{ params: [model.a] }, { params: [x], momentum: 0.5 }, { params: [y], lr: 3 }];
    const optimizer = new SGD(groups, { lr: 1 });
    expect(await of({}, { optimizer: optimizer as never, peaks: [1, 1, 3] })).toMatchObject({
      ...{ learningRate: [1, 1, 3], momentum: [0, 0.5, 0], weightDecay: 0 },
    });
  });

  it("depends on the contents of examples", async () => {
    const digest = async (...examples: unknown[]) => (await of({}, { examples })).examples;
    const all = [
      await digest(),
      await digest({ a: 1 }),
      await digest({ a: 2 }),
      await digest({ a: [1, 2] }),
      await digest({ a: 1 }, { a: 2 }),
      await digest({ a: 2 }, { a: 1 }),
      await digest({ a: 3n }),
      await digest({ a: () => 4 }),
    ];
    expect(new Set(all).size).toBe(all.length);
    expect(await digest({ a: Uint8Array.of(1, 2) })).toBe(await digest({ a: [1, 2] }));
    expect(await digest({ a: Float32Array.of(1, 2) })).toBe(await digest({ a: [1, 2] }));
    expect(await digest({ a: "3" })).toBe(await digest({ a: 3n }));
    const view = (length: number) => ({ a: new DataView(new ArrayBuffer(length)) });
    expect(await digest(view(1))).toBe(await digest({ a: {} }));
    const stored = { length: 5, digest: "abc", read: async () => [], lengths: [] };
    expect((await of({}, { examples: stored as never })).examples).toBe("5 examples (abc)");
  });

  it("depends on small frozen tensors alone, and on all shapes", async () => {
    const digest = async (...args: [number, number]) => (await of({}, { make: () => new Two(...args) })).model;
    expect(await digest(2, 0)).not.toBe(await digest(2, 1));
    expect(await digest(16384, 0)).not.toBe(await digest(16384, 1));
    expect(await digest(16385, 0)).toBe(await digest(16385, 1));
    expect(await digest(16385, 0)).not.toBe(await digest(16386, 0));
    const trained = async (value: number) =>
      (await of({}, { make: () => Object.assign(new Two(), { a: new Parameter(tensor([value, 2])) }) })).model;
    expect(await trained(1)).toBe(await trained(5));
  });

  it("has the digests of the bytes that its documentation names", async () => {
    const { model, arithmetic, examples } = await of({}, { examples: [{ a: 1 }, "b"] });
    const bytes = (text: string) => new TextEncoder().encode(text);
    const frozen = new Uint8Array(new Float32Array(2).buffer);
    expect(model).toBe(hexOf(crc32(frozen, crc32(bytes("a f32 2\nfrozen f32 2\n")))));
    expect(examples).toBe(`2 examples (${hexOf(crc32(bytes('{"a":1}\n"b"\n')))})`);
    const values = (count: number) => Array.from({ length: count }, (_, i) => ((i * 7919) % 1009) / 504 - 1);
    const [a, b] = [tensor(values(9 * 65), { shape: [9, 65] }), tensor(values(17 * 65), { shape: [17, 65] })];
    const product = matmul(a, b, { transposeB: true });
    let crc = 0;
    for (const result of [product, exp(product), tanh(product), sum(product)]) crc = crc32(await result.bytes(), crc);
    expect(arithmetic).toBe(`reference ${hexOf(crc)}`);
  });

  it("has the settings of adapters", async () => {
    const config = JSON.stringify({ r: 2, revision: "main", base_model_name_or_path: "x", peft_version: "1" });
    const files = new Map<string, Uint8Array | string>([
      ["adapter_config.json", config],
      ["b/adapter_config.json", new TextEncoder().encode('{"inference_mode":true,"alpha":null}')],
      ["adapter_model.safetensors", new Uint8Array(3)],
    ]);
    const found = await of({}, { make: () => Object.assign(new Two(), { adapterFiles: async () => files }) });
    const settings = Object.entries(found).filter(([key]) => key.includes(".json"));
    expect(settings).toEqual([
      ["adapter_config.json: r", 2],
      ["b/adapter_config.json: alpha", null],
    ]);
  });

  it("is compared without regard to the order of keys", () => {
    expect(differencesOf({ a: { x: 1, y: [1, 2] }, b: 1 }, { b: 1, a: { y: [1, 2], x: 1 } })).toEqual([]);
    expect(differencesOf({ a: [1, 2], b: null, c: 3 }, { a: [2, 1], b: null, d: 4 })).toEqual([
      { name: "a", now: [1, 2], saved: [2, 1] },
      { name: "c", now: 3, saved: undefined },
      { name: "d", now: undefined, saved: 4 },
    ]);
    expect(differencesOf({ a: null }, { a: {} })).toHaveLength(1);
  });
});

describe("the state of a checkpoint", () => {
  const state = {
    step: 0,
    sampler: { epoch: 0, position: 0 },
    generators: [{ seed: 0, offset: 0, stream: [0, 2 ** 32 - 1] }],
    optimizer: { groups: [{ count: 0 }], steps: [[0, 0]] },
    best: { best: { step: 0, metric: -1.5 }, failures: 0, seen: 0 },
    fingerprint: {},
  };
  const read = (value: unknown) =>
    readCheckpointState(memoryFiles({ s: JSON.stringify(value) }, "memory") as never, "s");

  it("may have the least values, and no record of the best evaluation", async () => {
    expect(await read(state)).toEqual(state);
    const { best: _, fingerprint: __, ...rest } = state;
    expect(await read(rest)).toEqual(rest);
    const none = { best: null, failures: 0, seen: 0 };
    expect(await read({ ...state, best: none })).toMatchObject({ best: none });
  });

  const generator = state.generators[0];
  test.each<[object, string]>([
    [{ step: -1 }, "s of memory: step is -1; expected a whole number of at least 0"],
    [{ sampler: null }, "s of memory: sampler is missing"],
    [{ sampler: { epoch: -1, position: 0 } }, "sampler: epoch is -1; expected a whole number of at least 0"],
    [{ sampler: { epoch: 0, position: -1 } }, "sampler: position is -1; expected a whole number of at least 0"],
    [{ generators: 3 }, "generators is 3; expected a list"],
    [{ generators: [{ ...generator, seed: -1 }] }, "seed is -1; expected a whole number of at least 0"],
    [{ generators: [{ ...generator, offset: -1 }] }, "offset is -1; expected a whole number of at least 0"],
    [{ generators: [{ ...generator, stream: [0] }] }, "stream is [0]; expected two whole numbers below 2^32"],
    [{ generators: [{ ...generator, stream: [0, 2 ** 32] }] }, "expected two whole numbers below 2^32"],
    [{ generators: [{ ...generator, stream: [0, 0, 0] }] }, "expected two whole numbers below 2^32"],
    [{ generators: [{ ...generator, stream: [-1, 0] }] }, "0 is -1; expected a whole number of at least 0"],
    [{ optimizer: {} }, "groups is undefined; expected a list"],
    [{ optimizer: { groups: [{ count: -1 }], steps: [] } }, "count is -1; expected a whole number of at least 0"],
    [{ optimizer: { groups: [], steps: [[0]] } }, "0 is [0]; expected a parameter's number and its steps"],
    [{ optimizer: { groups: [], steps: [[0, -1]] } }, "1 is -1; expected a whole number of at least 0"],
    [{ best: { ...state.best, failures: -2 } }, "failures is -2; expected a whole number of at least"],
    [{ best: { ...state.best, seen: -2 } }, "seen is -2; expected a whole number of at least"],
    [{ best: { ...state.best, best: { step: -1, metric: 0 } } }, "step is -1; expected a whole number of at least 0"],
    [{ best: { ...state.best, best: { step: 0, metric: "a" } } }, 'metric is "a"; expected a number'],
    [{ fingerprint: 3 }, "fingerprint: expected a JSON object, found 3"],
  ])("%o is refused", async (part, message) => {
    await expect(read({ ...state, ...part })).rejects.toThrow(message);
  });
});

describe("the best evaluation", () => {
  const none = { allocationState: undefined };
  const evaluation = { examples: [1], every: 1 };
  const bestOf = (options: object = {}) =>
    new BestModel({ evaluation, earlyStoppingPatience: 2, ...options } as never, none as never);
  const observe = async (best: BestModel, losses: number[], from = 1) => {
    const states: [step: number | undefined, failures: number][] = [];
    for (const [i, loss] of losses.entries()) {
      const weights = new Map([["w", tensor([loss])]]);
      await best.observe(from + i, { loss, perplexity: 0, labels: 1 }, weights);
      states.push([best.state.best?.step, best.state.failures]);
    }
    return states;
  };

  it("is the first, until a better one comes", async () => {
    const best = bestOf();
    expect(best.state).toEqual({ best: null, failures: 0, seen: 0 });
    await observe(best, [5], 0);
    expect(best.state).toEqual({ best: null, failures: 0, seen: 0 });
    expect(await observe(best, [4, 4, 3.5, 3.75])).toEqual([
      [1, 0],
      [1, 1],
      [3, 0],
      [3, 1],
    ]);
    expect([best.stopped, best.weights.length, best.state.seen]).toEqual([false, 0, 4]);
    await observe(best, [3.5], 5);
    expect(best.stopped).toBe(true);
    expect(best.state).toEqual({ best: { step: 3, metric: 3.5 }, failures: 2, seen: 5 });
  });

  it("counts small improvements as failures, and keeps their weights", async () => {
    const best = bestOf({ earlyStoppingThreshold: 0.5, loadBestModelAtEnd: true });
    expect(await observe(best, [4, 3.5, 2.5, 2.25, 9, 2.25])).toEqual([
      [1, 0],
      [2, 1],
      [3, 0],
      [4, 1],
      [4, 2],
      [4, 3],
    ]);
    const [{ name, bytes }] = best.weights;
    expect([name, new Float32Array(bytes.slice().buffer)[0]]).toEqual(["w", 2.25]);
    const larger = bestOf({ greaterIsBetter: true });
    expect(await observe(larger, [1, 3, 2])).toEqual([
      [1, 0],
      [2, 0],
      [2, 1],
    ]);
  });

  it("keeps the weights of the first of several equal evaluations", async () => {
    const best = bestOf({ loadBestModelAtEnd: true });
    for (const step of [1, 2]) {
      await best.observe(step, { loss: 1, perplexity: 0, labels: 1 }, new Map([["w", tensor([step])]]));
    }
    expect(new Float32Array(best.weights[0].bytes.slice().buffer)[0]).toBe(1);
  });

  it("needs the metric of every evaluation", async () => {
    const observed = (metricForBestModel: string, metrics: Record<string, number>) =>
      bestOf({ metricForBestModel }).observe(1, { loss: 1, perplexity: 2, labels: 1, metrics }, new Map());
    await observed("mine", { mine: 0 });
    await expect(observed("mine", { other: 1 })).rejects.toThrow(
      'Trainer: metricForBestModel "mine" is not a metric of the evaluations; available: loss, perplexity, other',
    );
    await expect(observed("mine", { mine: Number.NaN })).rejects.toThrow(
      'Trainer: metricForBestModel "mine" is NaN in an evaluation; available: loss, perplexity, mine',
    );
  });

  it("never stops a run without a patience", async () => {
    const best = bestOf({ earlyStoppingPatience: undefined, loadBestModelAtEnd: true });
    expect((await observe(best, [1, 2, 2, 2, 2, 2])).at(-1)).toEqual([1, 5]);
    expect(best.stopped).toBe(false);
  });

  it("needs sensible options", () => {
    for (const earlyStoppingPatience of [0, 1.5, -1, Number.NaN]) {
      expect(() => bestOf({ earlyStoppingPatience })).toThrow(
        `Trainer: earlyStoppingPatience is ${earlyStoppingPatience}; give a number of evaluations of at least 1`,
      );
    }
    expect(() => bestOf({ earlyStoppingPatience: 1, earlyStoppingThreshold: 0 })).not.toThrow();
    expect(() => bestOf({ earlyStoppingThreshold: -1 })).toThrow("earlyStoppingThreshold is -1; give a number of at");
    expect(() => bestOf({ evaluation: { examples: [1] } })).toThrow("Trainer: earlyStoppingPatience needs evaluations");
    expect(() => bestOf({ evaluation: { examples: [1] }, loadBestModelAtEnd: true })).toThrow(
      "Trainer: loadBestModelAtEnd needs evaluations",
    );
    const ranked = (size: number) => ({
      allocationState: () => new Map(Array.from({ length: size }, (_, i) => [`${i}`, tensor([1])])),
    });
    const make = (size: number, more: object) => () => new BestModel({ evaluation, ...more } as never, ranked(size));
    expect(make(1, { loadBestModelAtEnd: true })).toThrow("cannot restore a checkpoint after ranks");
    expect(make(0, { loadBestModelAtEnd: true })).not.toThrow();
    expect(make(1, { earlyStoppingPatience: 1 })).not.toThrow();
  });
});

describe("the files of a checkpoint", () => {
  class One extends Module {
    w = new Parameter(tensor([1]));
  }
  class Counted extends One {
    calls = new ModuleBuffer(tensor([0]));
  }
  const task = {
    collate: (xs: readonly number[]) => xs.length,
    loss: (model: One) => {
      if (model instanceof Counted) model.calls.dataSync()[0]++;
      return model.w.mul(1);
    },
    ...({ learningRate: 0.1, schedule: "constant", maxSteps: 2, onWarning: () => {} } as const),
  };
  const evaluation = { examples: [1], every: 1 };
  const always = ["optimizer.safetensors", "trainable.safetensors", "trainer_state.json"];
  const run = async (model: One, options: object = {}) => {
    const folder = memoryFiles();
    const checkpoints = { folder, every: 1 };
    await new Trainer(model, [1, 1], { ...task, checkpoints, ...options }).train();
    return folder;
  };
  const ranked = (size: number) => {
    const allocationState = () => new Map(Array.from({ length: size }, (_, i) => [`${i}`, tensor([1])]));
    return Object.assign(new One(), { allocationState });
  };

  it.each<[string, () => One, object, string[]]>([
    ["a parameter", () => new One(), {}, []],
    ["a buffer", () => new Counted(), {}, ["buffers.safetensors"]],
    ["the best weights", () => new One(), { evaluation, loadBestModelAtEnd: true }, ["best.safetensors"]],
    ["the best evaluation without weights", () => new One(), { evaluation, earlyStoppingPatience: 5 }, []],
    ["one allocation", () => ranked(1), {}, ["allocation.safetensors"]],
    ["no allocation", () => ranked(0), {}, []],
  ])("with %s", async (_, make, options, more) => {
    const files = await (await run(make(), options)).list?.("checkpoint-2");
    expect([...files!].sort()).toEqual([...always, ...more].sort());
  });

  it("are as many as saveTotalLimit, which is at least 1", async () => {
    const limited = async (saveTotalLimit?: number) => {
      const folder = memoryFiles();
      await run(new One(), { checkpoints: { folder, every: 1, saveTotalLimit } });
      return folder.list?.();
    };
    expect(await limited()).toHaveLength(2);
    expect(await limited(2)).toHaveLength(2);
    expect(await limited(1)).toEqual(["checkpoint-2/"]);
    for (const limit of [0, 1.5, -1]) {
      await expect(limited(limit)).rejects.toThrow(
        `Trainer: checkpoints.saveTotalLimit is ${limit}; give a whole number of at least 1`,
      );
    }
  });

  it("resume a run that asks for the best evaluation from one that does not, and the reverse", async () => {
    const early = { evaluation, earlyStoppingPatience: 5 };
    for (const [before, now] of [
      [{}, early],
      [early, {}],
    ]) {
      const folder = await run(new One(), before);
      const trainer = new Trainer(new One(), [1, 1], { ...task, ...now, maxSteps: 3 });
      expect(await trainer.resume(folder, { allowChanges: true })).toBe(2);
      expect(await trainer.train()).toMatchObject({ steps: 3 });
      await expect(trainer.resume(folder)).rejects.toThrow("is of another run");
    }
  });
});

describe("a resumed run", () => {
  class Counted extends Module {
    w = new Parameter(tensor([1]));
    calls = new ModuleBuffer(tensor([0]));
  }
  const task = { collate: () => 0, loss: (model: Counted) => model.w.mul(1), learningRate: 0.1, maxSteps: 2 };

  it("has the buffers of the checkpoint", async () => {
    const folder = memoryFiles();
    const model = new Counted();
    noGrad(() => copyInto(model.calls, tensor([7])));
    await new Trainer(model, [1], { ...task, checkpoints: { folder, every: 1 } }).train();
    const other = new Counted();
    expect(await new Trainer(other, [1], task).resume(folder)).toBe(2);
    expect(await other.calls.item()).toBe(7);
  });

  it("is refused for one difference", async () => {
    const folder = memoryFiles();
    await new Trainer(new Counted(), [1], { ...task, checkpoints: { folder, every: 1 } }).train();
    const resume = (more: object) => new Trainer(new Counted(), [1], { ...task, ...more }).resume(folder);
    const end = "; resume with the same, or with allowChanges";
    await expect(resume({ seed: 3 })).rejects.toThrow(`is of another run: seed is 3, and 0 in the checkpoint${end}`);
    await expect(resume({ shuffle: false })).rejects.toThrow(
      `shuffle is false, and true in the checkpoint; seed is not set, and 0 in the checkpoint${end}`,
    );
  });
});

describe("checkpoints in a folder", () => {
  const folder = async (...names: string[]) => {
    const files = memoryFiles();
    await files.write(new Map(names.map((name) => [`${name}/trainer_state.json`, '{"files":{}}'])));
    return files;
  };

  it.each([
    [4, ["checkpoint-2", "checkpoint-4", "checkpoint-10", "checkpoint-12"]],
    [3, ["checkpoint-4", "checkpoint-10", "checkpoint-12"]],
    [2, ["checkpoint-10", "checkpoint-12"]],
    [1, ["checkpoint-12"]],
    [9, ["checkpoint-2", "checkpoint-4", "checkpoint-10", "checkpoint-12"]],
  ])("of which %i are kept are the newest ones", async (limit, left) => {
    const files = await folder("checkpoint-10", "checkpoint-2", "checkpoint-12", "checkpoint-4", "other-1");
    await files.write(new Map([["checkpoint-1/model.bin", "no state"]]));
    await pruneCheckpoints(files, limit, "checkpoint-12");
    expect(new Set(await files.list?.())).toEqual(
      new Set([...left, "other-1", "checkpoint-1"].map((name) => `${name}/`)),
    );
  });

  it("are ordered by step, and by whether they were renamed", async () => {
    expect(await getLastCheckpoint(await folder("checkpoint-9", "checkpoint-10", "checkpoint-x"))).toBe(
      "checkpoint-10",
    );
    const renamed = await folder("checkpoint-8", "checkpoint-8.a1-b.part", "checkpoint-7.c.part");
    expect(await getLastCheckpoint(renamed)).toBe("checkpoint-8.a1-b.part");
    const other = await folder("checkpoint-8.a1-b.part", "checkpoint-8");
    expect(await getLastCheckpoint(other)).toBe("checkpoint-8.a1-b.part");
    expect(await getLastCheckpoint(memoryFiles())).toBeNull();
  });

  it("are whole if every listed file has its size and checksum", async () => {
    const contents = new Map<string, Uint8Array | string>([
      ["a", "é"],
      ["b", new Uint8Array(0)],
    ]);
    const list = await listFiles(contents);
    const total = crc32(new TextEncoder().encode("é"));
    expect(list).toEqual({ a: { bytes: 2, crc32: total }, b: { bytes: 0, crc32: 0 } });
    const whole = (files: object, more: object = {}) =>
      isWholeCheckpoint(
        memoryFiles({ ...Object.fromEntries(contents), ...more, "trainer_state.json": JSON.stringify(files) }),
      );
    expect(await whole({ files: list })).toBe(true);
    expect(await whole({ files: list }, { a: "ab" })).toBe(false);
    expect(await whole({ files: list }, { a: "a" })).toBe(false);
    expect(await whole({ files: { ...list, c: { bytes: 0, crc32: 0 } } })).toBe(false);
    expect(await whole({ files: { ...list, a: {} } })).toBe(false);
    expect(await whole({})).toBe(false);
    expect(await isWholeCheckpoint(memoryFiles({ a: "a" }))).toBe(false);
  });
});
