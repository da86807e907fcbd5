import { tensor } from "@lowrank/core";
import type { CausalLM, Tokenizer } from "@lowrank/models";
import { PeftModel } from "@lowrank/peft";
import {
  type AdapterFiles,
  lesson,
  loadNano,
  trainAdapter,
  withConfig,
  withValues,
} from "@lowrank/test-support/nanoAdapters";
import { evaluate, measurePerplexity, type TrainableModel, tokenizeExample } from "@lowrank/train";
import { beforeAll, expect, test } from "vitest";
import { runSuite } from "./runSuite.ts";
import type { Suite } from "./shared/suite.ts";
import type { SuiteReport } from "./shared/suiteReport.ts";

let nano: { model: CausalLM; tokenizer: Tokenizer };
let trained: AdapterFiles;
let half: AdapterFiles;

beforeAll(async () => {
  nano = await loadNano();
  trained = await trainAdapter(nano, 40);
  half = await trainAdapter(nano, 4);
});

const general = lesson.map(({ prompt }) => ({
  prompt,
  completion: prompt.replace(/print the sum of (\w+) and (\d+)\n/, "print($1 + $2)"),
}));
const suite: Suite = {
  name: "JavaScript",
  adapter: { config: { r: 4, target_modules: ["v_proj", "q_proj"] } },
  generation: { maxNewTokens: 24, batchSize: 3 },
  prompts: lesson.map(({ prompt, completion }) => ({ prompt, exact: completion })),
  heldOut: { examples: lesson, maxLoss: 0.1, maxPerplexity: 1.2 },
  forgetting: { examples: general, maxLossIncrease: 5 },
  drift: { maxChangedTokens: 0.9, maxKl: 6 },
  masks: { examples: lesson },
};

const run = (adapter: AdapterFiles, more: Partial<Suite> = {}, against?: AdapterFiles): Promise<SuiteReport> =>
  runSuite({ ...suite, ...more }, { ...nano, adapter, against });

/** Returns the failed checks as "group: name", with their messages. */
const failures = ({ checks }: SuiteReport): Record<string, string> =>
  Object.fromEntries(
    checks.flatMap(({ group, name, passed, message }) => (passed ? [] : [[`${group}: ${name}`, message]])),
  );

test("a trained adapter passes, and its measurements are those of single passes", async () => {
  const report = await run(trained);
  expect(failures(report)).toEqual({});
  expect(report.passed).toBe(true);
  expect(report.answers.map(({ answer }) => answer)).toEqual(lesson.map(({ completion }) => completion));
  const tokens = await Promise.all([...lesson, ...general].map((one) => tokenizeExample(nano.tokenizer, one)));
  const losses = async (model: TrainableModel) => [
    (await evaluate(model, tokens.slice(0, 4), { batchSize: 1 })).loss,
    (await evaluate(model, tokens.slice(4), { batchSize: 1 })).loss,
  ];
  const [, before] = await losses(nano.model);
  const peft = await PeftModel.fromPretrained(nano.model, trained);
  const [own, after] = await losses(peft);
  expect(report.measures.base.generalLoss).toBeCloseTo(before, 5);
  expect(report.measures.adapter.loss).toBeCloseTo(own, 5);
  expect(report.measures.adapter.generalLoss).toBeCloseTo(after, 5);
  // The loss of the base model on general text is small, so that its increase is nearly the divergence.
  expect(report.measures.adapter.changedTokens).toBeGreaterThan(0);
  const { changed, kl } = await driftOf(peft, tokens.slice(4));
  expect(report.measures.adapter.changedTokens).toBeCloseTo(changed, 12);
  expect(report.measures.adapter.kl).toBeCloseTo(kl, 4);
  peft.unload();
});

/** Computes the drift of learned tokens from all logits, in JavaScript. */
async function driftOf(peft: PeftModel<CausalLM>, examples: readonly { inputIds: number[]; labels: number[] }[]) {
  let [changed, kl, count] = [0, 0, 0];
  for (const { inputIds, labels } of examples) {
    const ids = () => tensor(Int32Array.from(inputIds), { shape: [1, inputIds.length] });
    const own = (await peft.baseModel.forward({ inputIds: ids() }).logits.data()) as Float32Array;
    const base = (await peft.disableAdapter(() =>
      peft.baseModel.forward({ inputIds: ids() }).logits.data(),
    )) as Float32Array;
    const size = nano.model.vocabSize;
    for (let t = 1; t < labels.length; t++) {
      if (labels[t] === -100) continue;
      const [p, q] = [base, own].map((all) => probabilities(all.subarray((t - 1) * size, t * size)));
      if (p.indexOf(Math.max(...p)) !== q.indexOf(Math.max(...q))) changed++;
      kl += p.reduce((sum, x, i) => sum + (x > 0 ? x * Math.log(x / q[i]) : 0), 0);
      count++;
    }
  }
  return { changed: changed / count, kl: kl / count };
}

function probabilities(logits: Float32Array): number[] {
  const most = Math.max(...logits);
  const each = Array.from(logits, (x) => Math.exp(x - most));
  const sum = each.reduce((total, x) => total + x, 0);
  return each.map((x) => x / sum);
}

test("the model is left as it was", async () => {
  const { loss: before } = await evaluate(nano.model, [await tokenizeExample(nano.tokenizer, lesson[0])], {
    batchSize: 1,
  });
  await run(trained, {}, half);
  expect([...nano.model.namedModules()].some(([name]) => name.includes("lora"))).toBe(false);
  const { loss: after } = await evaluate(nano.model, [await tokenizeExample(nano.tokenizer, lesson[0])], {
    batchSize: 1,
  });
  expect(after).toBe(before);
});

test("an adapter on a PeftModel is tested by its name, and stays active", async () => {
  const peft = await PeftModel.fromPretrained(nano.model, trained, { adapterName: "js" });
  const report = await runSuite(suite, { ...nano, model: peft, adapter: "js" });
  expect(failures(report)).toEqual({});
  expect([report.adapter, peft.activeAdapter]).toEqual(["js", "js"]);
  peft.unload();
});

test("a plain text is divided into windows and predicted without its first token", async () => {
  const text = "print the sum of cost and 7\nprint(cost + 7)\n".repeat(4);
  const limits = { text, maxLoss: 9, window: 32 };
  const { measures } = await run(trained, {
    heldOut: limits,
    prompts: undefined,
    forgetting: undefined,
    drift: undefined,
  });
  const peft = await PeftModel.fromPretrained(nano.model, trained);
  const found = await measurePerplexity(peft.baseModel, nano.tokenizer, [text], { maxLength: 32, stride: 32 });
  expect(measures.adapter.perplexity).toBeCloseTo(found.tokenPerplexity, 4);
  peft.unload();
});

test("a half-trained adapter fails its expectations and its loss, and is worse than a trained one", async () => {
  const found = failures(await run(half, { comparison: { resamples: 1000 } }, trained));
  expect(found['prompts: "print the sum of cost and 7\\n"']).toMatch(
    /exact: differs from character \d+: .* instead of/,
  );
  expect(found["heldOut: loss"]).toMatch(
    /^the mean loss of a token \(nats\) is [\d.]+, more than 0.1; the adapter may be half/,
  );
});

test.each<[string, (files: AdapterFiles) => AdapterFiles, string, string]>([
  [
    "a scale that is too large",
    (files) => withConfig(files, { lora_alpha: 80 }),
    "forgetting: loss increase",
    "lower the scale",
  ],
  [
    "a scale of zero",
    (files) => withConfig(files, { lora_alpha: 0 }),
    "adapter: has an effect",
    "untrained or is not applied",
  ],
  ["another rank in the config", (files) => withConfig(files, { r: 8 }), "adapter: config: r", "r is 8, expected 4"],
  [
    "other targets",
    (files) => withConfig(files, { target_modules: ["q_proj", "k_proj"] }),
    "adapter: fits the model",
    "k_proj",
  ],
  [
    "NaN",
    (files) => withValues(files, [Number.NaN]),
    "adapter: values",
    "has 1 NaN or infinite values of 512: NaN in row 0, column 0",
  ],
  [
    "infinite values",
    (files) => withValues(files, [Number.POSITIVE_INFINITY], 5),
    "adapter: values",
    "Infinity in row 0, column 5",
  ],
])("%s is found", async (_, plant, check, message) => {
  const found = failures(await run(plant(trained)));
  expect(found[check], JSON.stringify(found)).toContain(message);
});

test("a chat without a chat template fails its prompts and masks", async () => {
  const messages = [
    { role: "user", content: "one" },
    { role: "assistant", content: "two" },
  ];
  const found = failures(
    await run(trained, { prompts: [{ messages, exact: "two" }], masks: { examples: [{ messages }] } }),
  );
  expect(found["prompts: chat template"]).toContain("has no chat template, which prompts with messages need");
  expect(found["masks: chat template"]).toContain("has no chat template, so a chat cannot be tokenized");
});

test("a suite that does not fit the model is an error", async () => {
  await expect(run(trained, { generation: { maxNewTokens: 128 } })).rejects.toThrow(
    "generation.maxNewTokens: found 128; the model has 128 positions, which leaves no room for a prompt; lower it",
  );
  await expect(run(trained, { heldOut: { text: "a b", maxLoss: 1, window: 200 } })).rejects.toThrow(
    "heldOut.window: found 200; the model has 128 positions; lower it",
  );
  await expect(run(trained, { heldOut: { text: "", maxLoss: 1 } })).rejects.toThrow("no token to predict");
  await expect(runSuite(suite, { ...nano, adapter: trained, agains: half } as never)).rejects.toThrow(
    "did you mean against?",
  );
});
