import { Generator } from "@lowrank/core";
import { type CausalLM, createModel, parseModelConfig, randomParameters, type Tokenizer } from "@lowrank/models";
import { generatePairs } from "@lowrank/nano";
import { getPeftModel, LoraConfig } from "@lowrank/peft";
import { type AdapterFiles, loadNano, trainAdapter, withConfig, withValues } from "@lowrank/test-support/nanoAdapters";
import { type CompletionExample, type TokenizedExample, tokenizeExample } from "@lowrank/train";
import { beforeAll, expect, test } from "vitest";
import { runSuite } from "./runSuite.ts";
import type { Suite } from "./shared/suite.ts";
import type { SuiteReport } from "./shared/suiteReport.ts";

let nano: { model: CausalLM; tokenizer: Tokenizer };
let good: AdapterFiles;
let suite: Suite;
const train = generatePairs({ language: "javascript", split: "train", count: 300, seed: 1 });
const python = generatePairs({ language: "python", split: "train", count: 100, seed: 2 });
const asked = generatePairs({ language: "javascript", split: "test", count: 40, seed: 3 });
const general = generatePairs({ language: "python", split: "test", count: 40, seed: 4 });
const targets = ["q_proj", "v_proj", "up_proj", "down_proj"];
beforeAll(async () => {
  nano = await loadNano();
  good = await trainAdapter(nano, 200, { examples: train, targetModules: targets });
  const { measures } = await run(
    {
      heldOut: { examples: asked, maxLoss: 9 },
      forgetting: { examples: general, maxLossIncrease: 9 },
      drift: { maxChangedTokens: 1, maxKl: 9 },
      prompts: asked.map(({ prompt, completion }) => ({ prompt, exact: completion })),
      minPassed: 0,
    },
    good,
  );
  const { passed = 0, loss = 0, generalLoss = 0, changedTokens = 0, kl = 0 } = measures.adapter;
  // Limits as a team sets them: a little wider than what the released adapter reaches.
  suite = {
    adapter: { config: { r: 4, lora_alpha: 8, target_modules: targets } },
    prompts: asked.map(({ prompt, completion }) => ({ prompt, exact: completion })),
    minPassed: passed - 0.1,
    heldOut: { examples: asked, maxLoss: 1.25 * loss },
    forgetting: { examples: general, maxLossIncrease: 1.25 * (generalLoss - (measures.base.generalLoss ?? 0)) },
    drift: { maxChangedTokens: 1.15 * changedTokens, maxKl: 1.25 * kl },
    masks: { examples: train },
  };
}, 240_000);

const run = (of: Suite, adapter: AdapterFiles): Promise<SuiteReport> => runSuite(of, { ...nano, adapter });

/** Returns the suite without its requirements for the config, so that only behaviour can show a fault. */
const byBehaviour = (): Suite => ({ ...suite, adapter: undefined });

async function failed(of: Suite, adapter: AdapterFiles): Promise<string[]> {
  const { checks } = await run(of, adapter);
  return checks.flatMap(({ group, name, passed, message }) => (passed ? [] : [`${group}: ${name}: ${message}`]));
}

test("the good adapter passes", async () => {
  expect(await failed(suite, good)).toEqual([]);
});

/** Adapters with a fault, and a part of the message that shows it; "a check" if any check may show it. */
const adapters: readonly [name: string, plant: () => AdapterFiles | Promise<AdapterFiles>, message: string][] = [
  ["a scale that is four times too large", () => withConfig(good, { lora_alpha: 32 }), "heldOut: loss"],
  ["a scale that is a quarter", () => withConfig(good, { lora_alpha: 2 }), "heldOut: loss"],
  ["a scale of rsLoRA", () => withConfig(good, { use_rslora: true }), "heldOut: loss"],
  ["a scale with the wrong sign", () => withConfig(good, { lora_alpha: -8 }), "heldOut: loss"],
  ["no effect", () => withConfig(good, { lora_alpha: 0 }), "adapter: has an effect"],
  ["half of the training", () => trainAdapter(nano, 25, { examples: train, targetModules: targets }), "heldOut: loss"],
  [
    "training on other data",
    () => trainAdapter(nano, 200, { examples: python, targetModules: targets }),
    "passed prompts",
  ],
  ["no training", () => trainAdapter(nano, 1, { examples: train, targetModules: targets }), "passed prompts"],
  [
    "other targets at training",
    () => trainAdapter(nano, 200, { examples: train, targetModules: ["k_proj"] }),
    "heldOut: loss",
  ],
  [
    "targets of other layers in the config",
    () => withConfig(good, { target_modules: ["q_proj", "o_proj"] }),
    "adapter: fits the model: ",
  ],
  ["only the first layer", () => withConfig(good, { layers_to_transform: [0] }), "adapter: fits the model: "],
  ["a NaN", () => withValues(good, [Number.NaN], 100), "adapter: values"],
  [
    "a row of NaN",
    () =>
      withValues(
        good,
        Array.from({ length: 128 }, () => Number.NaN),
        128,
      ),
    "128 NaN or infinite values",
  ],
  ["an infinite value", () => withValues(good, [Number.NEGATIVE_INFINITY]), "-Infinity in row 0, column 0"],
  [
    "values that overflow",
    () =>
      withValues(
        good,
        Array.from({ length: 512 }, () => 3e38),
      ),
    "a check",
  ],
  ["another base model with other sizes", otherSizes, "adapter: fits the model: "],
  ["another base model with more layers", otherLayers, "adapter: fits the model: "],
  [
    "a damaged file",
    () =>
      new Map(good).set(
        "adapter_model.safetensors",
        (good.get("adapter_model.safetensors") as Uint8Array).slice(0, -500),
      ),
    "adapter: fits the model: ",
  ],
  [
    "one factor of another training",
    () =>
      withValues(
        good,
        Array.from({ length: 512 }, (_, i) => Math.sin(i)),
      ),
    "a check",
  ],
  [
    "prompts learned as answers",
    () =>
      trainAdapter(nano, 200, {
        examples: train.map(({ prompt, completion }) => ({ prompt: completion, completion: prompt })),
        targetModules: targets,
      }),
    "passed prompts",
  ],
];

/** Returns an adapter for a model of the same kind with other sizes. */
async function otherModel(sizes: object): Promise<AdapterFiles> {
  const config = parseModelConfig({
    ...{ model_type: "llama", vocab_size: 768, hidden_size: 128, intermediate_size: 320, num_hidden_layers: 3 },
    ...{ num_attention_heads: 4, num_key_value_heads: 2, ...sizes },
  });
  const model = createModel(config, randomParameters(new Generator(1)));
  return (await getPeftModel(model, new LoraConfig({ r: 4, loraAlpha: 8, targetModules: targets }))).adapterFiles();
}
function otherSizes(): Promise<AdapterFiles> {
  return otherModel({ hidden_size: 96 });
}
function otherLayers(): Promise<AdapterFiles> {
  return otherModel({ num_hidden_layers: 4 });
}

test.each(adapters)(
  "%s is found by behaviour",
  async (_, plant, message) => {
    const found = await failed(byBehaviour(), await plant());
    if (message === "a check") expect(found.length).toBeGreaterThan(0);
    else expect(found.join("\n")).toContain(message);
  },
  120_000,
);

test("an adapter of another base model with the same sizes is found by its name", async () => {
  const other = withConfig(good, { base_model_name_or_path: "org/other-nano" });
  const found = await failed({ ...suite, adapter: { base: "nano" } }, other);
  expect(found[0]).toContain(
    'base_model_name_or_path is "org/other-nano", expected "nano"; the adapter was made for another',
  );
});

type Mask = (example: CompletionExample) => Promise<TokenizedExample>;
const tokens: Mask = (example) => tokenizeExample(nano.tokenizer, example);

/** Tokenizations with a fault, and a part of the message that shows it. */
const masks: readonly [name: string, tokenize: Mask, message: string][] = [
  [
    "the whole text is learned",
    async (one) => {
      const { inputIds } = await tokens(one);
      return { inputIds, labels: inputIds.slice() };
    },
    "prompt is not learned",
  ],
  [
    "the mask is one token early",
    async (one) => {
      const { inputIds, labels } = await tokens(one);
      return { inputIds, labels: labels.map((label, t) => ((labels[t + 1] ?? label) === -100 ? -100 : inputIds[t])) };
    },
    "off by one, one token too early",
  ],
  [
    "the mask is one token late",
    async (one) => {
      const { inputIds, labels } = await tokens(one);
      return { inputIds, labels: labels.map((label, t) => (t > 0 && labels[t - 1] === -100 ? -100 : label)) };
    },
    "off by one, one token too late",
  ],
  [
    "labels are shifted already",
    async (one) => {
      const { inputIds, labels } = await tokens(one);
      return { inputIds, labels: [...labels.slice(1), -100] };
    },
    "the labels are off by one: each is one position earlier",
  ],
  [
    "the end is not learned",
    async (one) => {
      const { inputIds, labels } = await tokens(one);
      return { inputIds, labels: labels.with(-1, -100) };
    },
    "end of sequence is learned",
  ],
  [
    "the end is missing",
    async (one) => {
      const { inputIds, labels } = await tokens(one);
      return { inputIds: inputIds.slice(0, -1), labels: labels.slice(0, -1) };
    },
    "end of sequence is learned",
  ],
  [
    "prompt and answer are exchanged",
    async (one) => {
      const { inputIds, labels } = await tokens(one);
      return { inputIds, labels: labels.map((label, t) => (label === -100 ? inputIds[t] : -100)) };
    },
    "answer is learned",
  ],
  [
    "nothing is learned",
    async (one) => {
      const { inputIds } = await tokens(one);
      return { inputIds, labels: inputIds.map(() => -100) };
    },
    "no token is learned",
  ],
];

test.each(masks)("a mask with a fault is found: %s", async (_, tokenize, message) => {
  const found = await failed({ masks: { examples: train, tokenize: tokenize as never } }, good);
  expect(found.join("\n")).toContain(message);
});

test("a truncation that removes all labels is found", async () => {
  const found = await failed({ masks: { examples: train, maxLength: 6 } }, good);
  expect(found.join("\n")).toContain("truncation leaves labels: 20 of 20 examples are wrong");
});

test("a missing chat template is found in prompts and masks", async () => {
  const messages = [
    { role: "user", content: "print 3" },
    { role: "assistant", content: "console.log(3);" },
  ];
  const found = await failed(
    { prompts: [{ messages: messages.slice(0, 1), contains: "3" }], masks: { examples: [{ messages }] } },
    good,
  );
  expect(found).toEqual([
    expect.stringContaining("prompts: chat template"),
    expect.stringContaining("masks: chat template"),
  ]);
});
