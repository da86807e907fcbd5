import type { ModelDescription } from "@lowrank/models";
import { devices, type MemoryPlan } from "@lowrank/peft";
import { expect, test } from "vitest";
import type { LowrankFit } from "./lowrankFit.ts";
import type { PlanCommandOptions } from "./plan.ts";
import { planJson, planLines } from "./planReport.ts";

const model = { modelType: "llama", parameterCount: 1_234_567 } as ModelDescription;
const plan: MemoryPlan = {
  ...{ batchSize: 2, sequenceLength: 1024, gradientAccumulationSteps: 1, copies: { training: 0, generation: 0 } },
  weights: { quantized: { parameters: 0, bytes: 0 }, rest: { parameters: 1000, bytes: 4_000_000 }, bytes: 4_040_000 },
  ...{ adapter: { parameters: 0, bytes: 0 }, gradients: { parameters: 2500, bytes: 250_000 }, optimizer: 950_000 },
  ...{ activations: 1_234_567_890, kvCache: 2_000_000, generation: 6_000_000, notes: [], warnings: [] },
  training: {
    ...{ bytes: 9_000_000, phase: "backward", gradients: 100_000, activations: 300_000 },
    byOp: [
      { op: "matmul", bytes: 200_000 },
      { op: "add", bytes: 60_000 },
    ],
  },
} as unknown as MemoryPlan;
const options = { method: "lora", dtype: "f32", optimizer: "adamw", precision: "f32" } as unknown as PlanCommandOptions;
const fit: LowrankFit = { bytes: 2 ** 32, training: true, generation: true, instead: null };
const lines = (more: object = {}, given: object = {}, fits: Partial<LowrankFit> = {}) =>
  planLines("one", model, { ...plan, ...more }, { ...fit, ...fits }, { ...options, ...given });

test("a plan has its parts in MB, with a decimal and aligned", () => {
  expect(lines()).toEqual([
    "one: llama, 1,234,567 parameters",
    "lora, 2 x 1,024 tokens; MB of 10^6 bytes",
    "",
    "Lowrank can train it: a step takes 9.0 of the 4,295.0 MB of a WebAssembly memory",
    "Lowrank can generate with it: 6.0 of the 4,295.0 MB of a WebAssembly memory",
    "",
    "weights            4.0  1,000 in f32: 4.0",
    "optimiser          1.0  adamw",
    "gradients          0.3  2,500 parameters train",
    "activations    1,234.6  all kept",
    "training step      9.0  at most, in the backward pass, with 0.1 of gradients and 0.3 of activations",
    "KV cache           2.0  2,048 tokens in f32",
    "generating         6.0  weights, adapter, cache, and reading the prompt",
    "",
    "activations at the worst moment: matmul 0.2, add 0.1",
    "",
    expect.stringMatching(/^training fits elsewhere: laptop 8 GB, .*, H200 141 GB$/),
    expect.stringMatching(/^generating fits elsewhere: laptop 8 GB, .*, H200 141 GB$/),
  ]);
});

test("an adapter, copies, passes, notes and checkpointing have lines if there are any", () => {
  const found = lines(
    {
      ...{ adapter: { parameters: 1, bytes: 4_000 }, copies: { training: 1, generation: 0 } },
      ...{ gradientAccumulationSteps: 2, notes: ["slow"] },
    },
    { gradientCheckpointing: true, adapterDtype: "bf16", precision: "i8" },
  );
  expect(found[1]).toBe("lora, 2 x 1,024 tokens, 2 passes a step; MB of 10^6 bytes");
  for (const line of [
    "adapter            0.0  bf16",
    "copies             0.0  codes of frozen weights, for i8 precision on WebAssembly",
    "activations    1,234.6  with checkpointing",
    "note: slow",
  ]) {
    expect(found).toContain(line);
  }
  expect(lines({ adapter: { parameters: 1, bytes: 4_000 } })).toContain("adapter            0.0  f32");
});

test("quantised weights are named with their type", () => {
  const weights = { ...plan.weights, quantized: { parameters: 1, bytes: 40_000 } };
  const note = (given: object) => lines({ weights }, { method: "qlora", quantType: "nf4", ...given })[6].slice(24);
  expect(note({})).toBe("1 in nf4: 0.0, 1,000 in f32: 4.0");
  expect(note({ doubleQuant: true })).toBe("1 in nf4 with double quantisation: 0.0, 1,000 in f32: 4.0");
});

test.each([
  [9_000_000, "fits, with 0.0 MB left", "fits, with 3.0 MB left"],
  [8_900_000, "does not fit: 0.1 MB more are needed", "fits, with 2.9 MB left"],
  [1_000_000, "does not fit: 8.0 MB more are needed", "does not fit: 5.0 MB more are needed"],
])("a budget of %d bytes is compared with both", (memory, training, generating) => {
  const found = lines({}, { memory });
  const shown = (memory / 1e6).toFixed(1);
  expect(found).toContain(`training in the ${shown} MB of --memory: ${training}`);
  expect(found).toContain(`generating in the ${shown} MB of --memory: ${generating}`);
  expect(lines().some((line) => line.includes("--memory:"))).toBe(false);
});

test("what does not fit says how it would", () => {
  const cannot = { training: false, generation: false };
  expect(lines({}, {}, { ...cannot, bytes: 5_000_000 }).slice(3, 6)).toEqual([
    "Lowrank cannot train it so: a step takes 9.0, more than the 5.0 MB of --memory",
    expect.stringMatching(/^none of checkpointing, .* makes it fit; take a smaller model/),
    "Lowrank cannot generate with it: 6.0 exceed the 5.0 MB of --memory",
  ]);
  const instead = { flags: "--seq 128", training: 3_000_000 };
  expect(lines({}, {}, { ...cannot, instead })[4]).toBe("Lowrank can train it with --seq 128: a step then takes 3.0");
});

test("devices fit what takes their bytes, and not more", () => {
  const t4 = devices.find(({ name }) => name.startsWith("T4"))!.bytes;
  const training = (bytes: number) => {
    const found = lines({ training: { ...plan.training, bytes } });
    return found.filter((line) => /^training (fits elsewhere|does not fit):/.test(line));
  };
  expect(training(t4)).toEqual([
    "training fits elsewhere: laptop 16 GB, T4 16 GB, RTX 4090 24 GB, laptop 32 GB, RTX 5090 32 GB, A100 40 GB, RTX A6000 48 GB, H100 80 GB, H200 141 GB",
    "training does not fit: laptop 8 GB, RTX 3060 12 GB",
  ]);
  expect(training(t4 + 1)[1]).toBe("training does not fit: laptop 8 GB, RTX 3060 12 GB, laptop 16 GB, T4 16 GB");
  expect(training(1e15)[0]).toBe("training fits elsewhere: none of the devices known here");
  const h100 = devices.find(({ name }) => name.startsWith("H100"))!.bytes;
  expect(training(h100 + 1)[0]).toBe("training fits elsewhere: H200 141 GB");
  const small = devices.find(({ name }) => name.startsWith("laptop 8"))!.bytes;
  expect(training(small + 1)[1]).toBe("training does not fit: laptop 8 GB");
});

test("JSON has the plan, and what fits the budget and each device", () => {
  const json = (memory?: number) => planJson(model, plan, fit, { ...options, memory });
  expect(json()).toMatchObject({ ...plan, modelType: "llama", parameters: 1_234_567, method: "lora", memory: null });
  const fits = (memory: number) => json(memory).memory;
  expect(fits(9_000_000)).toEqual({ bytes: 9_000_000, training: true, generation: true });
  expect(fits(8_999_999)).toEqual({ bytes: 8_999_999, training: false, generation: true });
  expect(fits(6_000_000)).toEqual({ bytes: 6_000_000, training: false, generation: true });
  expect(fits(5_999_999)).toEqual({ bytes: 5_999_999, training: false, generation: false });
  expect(json().devices.map(({ name }) => name)).toEqual(devices.map(({ name }) => name));
});
