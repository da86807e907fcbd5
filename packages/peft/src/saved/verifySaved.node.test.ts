import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { affine, Generator, init, memory, reference, scope, type Tensor } from "@lowrank/core";
import { memoryFiles } from "@lowrank/files";
import type { UnaryModule } from "@lowrank/nn";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PeftConfig, type PeftOptions } from "../config/peftConfig.ts";
import type { Warning } from "../config/warning.ts";
import { LoraConfig } from "../methods/lora/loraConfig.ts";
import { PromptEncoderConfig } from "../methods/prompt/pTuning.ts";
import { registerPeftMethod } from "../methods/registry.ts";
import { definePeftMethod } from "../methods/shared/method.ts";
import { getPeftModel } from "../peftModel/getPeftModel.ts";
import { PeftModel } from "../peftModel/peftModel.ts";
import { methodCases } from "../testing/methodCases.ts";
import { logitBits, TinyModel, tinyBatch, train } from "../testing/tinyModel.ts";

let folders: string;
let made = 0;
const folder = () => join(folders, `${made++}`);
const verify = () => ({ inputs: tinyBatch() });

beforeAll(async () => {
  await init(reference());
  folders = await mkdtemp(join(tmpdir(), "lowrank-verify-"));
});

afterAll(() => rm(folders, { recursive: true }));

test("files take the place of a folder, and are named where they are refused", async () => {
  const peft = await getPeftModel(new TinyModel(), new LoraConfig({ r: 2, targetModules: "all-linear" }));
  train(peft);
  const files = memoryFiles();
  expect(await peft.savePretrained(files, { verify: verify() })).toMatchObject([{ maxAbsDiff: 0 }]);
  expect(await files.readText("adapter_config.json")).toBe((await peft.adapterFiles()).get("adapter_config.json"));
  const forgetful = { ...memoryFiles(), write: async () => {} };
  await expect(peft.savePretrained(forgetful, { verify: verify() })).rejects.toThrow(
    "was written to the files in memory, but the files, read again, differ from the adapter in memory: it does not load",
  );
});

/** Returns all state that saving must not change. */
async function state(peft: PeftModel<TinyModel>) {
  const parameters = [...peft.namedParameters()];
  return {
    active: peft.activeAdapter,
    names: [...peft.peftConfig.keys()],
    modes: [...peft.namedModules()].map(([path, { training }]) => `${path} ${training}`),
    parameters: await Promise.all(
      parameters.map(async ([name, p]) => [name, p.requiresGrad, await p.bytes(), await p.grad?.bytes()]),
    ),
  };
}

for (const [method, list] of Object.entries(methodCases)) {
  describe.each(list)(`${method}: $name`, ({ config, model }) => {
    test("what was written answers to the last bit, and in half precision but for rounding", async () => {
      const peft = await getPeftModel(new TinyModel(model), config, { onWarning: () => {} });
      train(peft);
      scope(() => peft.loss(tinyBatch()).backward());
      const before = await state(peft);
      const none = { adapter: "default", maxAbsDiff: 0, meanAbsDiff: 0, greedyEqual: true };
      expect(await peft.savePretrained(folder(), { verify: verify() })).toEqual([none]);
      expect(await state(peft)).toEqual(before);
      const [report] = await peft.savePretrained(folder(), { dtype: "bf16", verify: verify() });
      expect(report).toMatchObject({ adapter: "default" });
      expect(report.maxAbsDiff).toBeGreaterThan(0);
      expect(report.maxAbsDiff).toBeLessThan(0.3);
      expect(await state(peft)).toEqual(before);
    });
  });
}

const lora = new LoraConfig({ r: 2, targetModules: ["up", "down"], initLoraWeights: false });

test("several adapters are read again each from its folder, beside what acts", async () => {
  const peft = await getPeftModel(new TinyModel(), lora);
  await peft.addAdapter("b", lora.with({ loraDropout: 0.5, modulesToSave: ["lm_head"] }), {
    generator: new Generator(2),
  });
  await peft.addAdapter(
    "p",
    new PromptEncoderConfig({ numVirtualTokens: 2, encoderHiddenSize: 4, taskType: "CAUSAL_LM" }),
  );
  peft.setAdapter("b");
  (peft.baseModel.getSubmodule("layers.1") as TinyModel).eval();
  const before = await state(peft);
  const inputs = tinyBatch();
  const buffers = memory().buffers;
  const to = folder();
  const reports = await peft.savePretrained(to, { verify: { inputs } });
  expect(reports.map(({ adapter, maxAbsDiff }) => [adapter, maxAbsDiff])).toEqual([
    ["default", 0],
    ["b", 0],
    ["p", 0],
  ]);
  expect(memory().buffers).toBe(buffers);
  expect(await state(peft)).toEqual(before);
  expect((await readdir(to)).sort()).toEqual([
    "README.md",
    "adapter_config.json",
    "adapter_model.safetensors",
    "b",
    "p",
  ]);
  const [one] = await peft.savePretrained(folder(), { selectedAdapters: ["p"], dtype: "f16", verify: verify() });
  expect(one.adapter).toBe("p");
  expect(one.maxAbsDiff).toBeGreaterThan(0);
  expect(await peft.savePretrained(folder())).toEqual([]);
});

test("an adapter whose start changed base weights is compared on them, with a warning", async () => {
  const warnings: Warning[] = [];
  const onWarning = (warning: Warning) => warnings.push(warning);
  const peft = await getPeftModel(new TinyModel(), lora.with({ initLoraWeights: "pissa" }), { onWarning });
  train(peft);
  warnings.length = 0;
  const live = await logitBits(peft);
  const to = folder();
  expect(await peft.savePretrained(to, { verify: verify() })).toMatchObject([{ maxAbsDiff: 0 }]);
  const message = expect.stringMatching(/"default" started from pissa, .* verified on the changed ones\. To load it/);
  expect(warnings).toEqual([{ code: "changed-base", message }]);
  expect(await logitBits(peft)).toEqual(live);
  expect(await peft.savePretrained(folder())).toEqual([]);
  const files = { pathInitialModelForWeightConversion: to, verify: verify() };
  const refused = folder();
  await expect(peft.savePretrained(refused, files)).rejects.toThrow("save without verify");
  await expect(readdir(refused)).rejects.toThrow("ENOENT");
});

/** Scales outputs by a value that the file does not contain. */
class ForgetfulConfig extends PeftConfig {
  constructor(options: PeftOptions = {}) {
    super("FORGETFUL", options);
  }
}

test("an adapter that is more than its files is an error that names it, and the model is as before", async () => {
  let next = 1;
  const forgetful = definePeftMethod({
    peftType: "FORGETFUL",
    Config: ForgetfulConfig,
    format: { classic: ["target_modules"], floats: [], refused: {}, ignored: {} },
    kinds: ["linear"],
    defaultTargets: {},
    createLayer: () => {
      const scale = next;
      next += 0.25;
      return {
        parameters: {},
        forward: (x: Tensor, base: UnaryModule) => scope(() => affine(base.forward(x), { scale })),
      };
    },
  });
  registerPeftMethod(forgetful);
  const peft = await getPeftModel(new TinyModel(), new ForgetfulConfig({ targetModules: ["up"] }));
  const before = await state(peft);
  const to = folder();
  for (const dtype of ["f32", "f16"] as const) {
    await expect(peft.savePretrained(to, { dtype, verify: verify() })).rejects.toThrow(
      /^savePretrained: adapter "default" was written to .*, but the files, read again, differ from the adapter in memory: outputs differ by \d\.\de[+-]\d/,
    );
    expect(await state(peft)).toEqual(before);
  }
  expect((await readdir(to)).length).toBe(3);
});

test("what is compared is what stands on disk", async () => {
  const peft = await getPeftModel(new TinyModel(), lora);
  const to = folder();
  const other = await (await getPeftModel(new TinyModel(), lora, { generator: new Generator(9) })).adapterFiles();
  const file = "adapter_model.safetensors";
  peft.adapterFiles = async (...options) =>
    new Map([...(await PeftModel.prototype.adapterFiles.apply(peft, options)), [file, other.get(file)!]]);
  await expect(peft.savePretrained(to, { verify: verify() })).rejects.toThrow("outputs differ by");
  await expect(peft.savePretrained(to, { dtype: "bf16", verify: verify() })).rejects.toThrow(
    /lora_A\.weight in the written file differs from the tensor in memory rounded to bf16/,
  );
});

test("what cannot be compared is an error before anything is written", async () => {
  const peft = await getPeftModel(new TinyModel(), lora);
  const to = folder();
  const save = (options = {}) => peft.savePretrained(to, { verify: verify(), ...options });
  await expect(save({ selectedAdapters: ["x"] })).rejects.toThrow('there is no adapter "x"');
  await expect(peft.disableAdapter(() => save())).rejects.toThrow("inside of disableAdapter");
  await peft.mergeAdapter();
  await expect(save()).rejects.toThrow("default is merged; call unmergeAdapter before saving with verify");
  await expect(readdir(to)).rejects.toThrow("ENOENT");
  expect(peft.isMerged).toBe(true);
});
