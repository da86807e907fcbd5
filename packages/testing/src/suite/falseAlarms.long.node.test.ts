import { Generator } from "@lowrank/core";
import type { CausalLM, Tokenizer } from "@lowrank/models";
import { generatePairs } from "@lowrank/nano";
import { PeftModel } from "@lowrank/peft";
import { loadNano, trainAdapter } from "@lowrank/test-support/nanoAdapters";
import { beforeAll, expect, test } from "vitest";
import { answerCheck } from "./answers/expectations.ts";
import { preparePrompts } from "./answers/promptAnswers.ts";
import { type ComparedMetric, compareAdapters } from "./shared/comparison.ts";
import { adapterSystem, baseSystem } from "./shared/systems.ts";
import { textRows } from "./texts/textRows.ts";
import { tokenScores } from "./texts/tokenScores.ts";

const comparisons = 1000;
const alpha = 0.05;

/** Scores of two adapters of Nano, trained alike with two seeds, on many items of each metric. */
let pool: readonly ComparedMetric[];

beforeAll(async () => {
  const nano: { model: CausalLM; tokenizer: Tokenizer } = await loadNano();
  const { model, tokenizer } = nano;
  const pairs = (split: "train" | "test", count: number, language: "javascript" | "python" = "javascript") =>
    generatePairs({ language, split, count, seed: 3 });
  const examples = pairs("train", 200);
  const [first, second] = [
    await trainAdapter(nano, 60, { seed: 1, examples }),
    await trainAdapter(nano, 60, { seed: 2, examples }),
  ];
  const peft = await PeftModel.fromPretrained<CausalLM>(model, first, { adapterName: "a" });
  await peft.loadAdapter(second, "b");
  peft.eval();
  const systems = [adapterSystem("adapter", peft, "a"), adapterSystem("against", peft, "b")];
  const asked = pairs("test", 240);
  const prompts = asked.map(({ prompt, completion }) => ({ prompt, exact: completion }));
  const prepared = await preparePrompts({ prompts, generation: { batchSize: 48 } }, peft.baseModel, tokenizer);
  const passed: number[][] = [];
  for (const system of systems) {
    const checks = await Promise.all(prompts.map((one) => answerCheck(one, [])));
    const problems = await Promise.all((await prepared.answers(system)).map((answer, i) => checks[i](answer)));
    passed.push(problems.map((found) => Number(found.length === 0)));
  }
  const heldOut = await textRows("heldOut", { examples: asked }, peft.baseModel, tokenizer);
  const [a, b] = await tokenScores(peft.baseModel, heldOut, systems);
  const general = await textRows("forgetting", { examples: pairs("test", 240, "python") }, peft.baseModel, tokenizer);
  const [, c, d] = await tokenScores(peft.baseModel, general, [baseSystem(peft), ...systems], { kl: true });
  pool = [
    { metric: "passed prompts", largerIsBetter: true, a: passed[0], b: passed[1] },
    { metric: "held-out loss", largerIsBetter: false, a: a.losses, b: b.losses, sizes: a.sizes },
    { metric: "general loss", largerIsBetter: false, a: c.losses, b: d.losses, sizes: c.sizes },
    { metric: "changed tokens", largerIsBetter: false, a: c.changed, b: d.changed, sizes: c.sizes },
    { metric: "KL", largerIsBetter: false, a: c.divergence, b: d.divergence, sizes: c.sizes },
  ];
}, 120_000);

/**
 * Returns an A/A comparison: `items` random items of a metric, on each of which a coin decides which adapter is called
 * a. The adapters that are compared are then the same mixture of both.
 */
function drawn(
  { metric, largerIsBetter, a, b, sizes }: ComparedMetric,
  items: number,
  generator: Generator,
): ComparedMetric {
  const chosen = generator.permutation(a.length).slice(0, items);
  const coins = new Int32Array(items);
  generator.fillInt(coins, 0, 2);
  const pick = (side: number) => Array.from(chosen, (item, i) => (coins[i] === side ? a : b)[item]);
  return { metric, largerIsBetter, a: pick(0), b: pick(1), sizes: sizes && Array.from(chosen, (item) => sizes[item]) };
}

/** Returns the share of A/A comparisons with an alarm in either direction, on 10 to 60 items. */
function alarms(metrics: readonly ComparedMetric[], seed: number): number {
  const generator = new Generator(seed);
  let found = 0;
  for (let run = 0; run < comparisons; run++) {
    const items = 10 + ((run * 7) % 51);
    const compared = metrics.map((metric) => drawn(metric, items, generator));
    const { comparison } = compareAdapters(compared, { alpha, resamples: 999, seed: run });
    if (comparison.rows.some(({ verdict }) => verdict !== "no difference")) found++;
  }
  return found / comparisons;
}

test("the adapters differ on enough items for a test", () => {
  for (const { a, b } of pool) {
    expect(Array.from(a).filter((value, i) => value !== b[i]).length).toBeGreaterThan(a.length / 20);
  }
});

test("1,000 A/A comparisons by all metrics give at most alpha alarms", () => {
  const share = alarms(pool, 11);
  console.log(`A/A comparisons of two adapters by five metrics: ${share} alarms, alpha ${alpha}`);
  expect(share).toBeLessThanOrEqual(alpha);
}, 300_000);

test("1,000 A/A comparisons by each metric alone give at most alpha alarms, apart from chance", () => {
  for (const metric of pool) {
    const share = alarms([metric], 12);
    console.log(`A/A comparisons by ${metric.metric}: ${share} alarms`);
    // Three standard deviations of a share of 1,000 at alpha.
    expect(share).toBeLessThanOrEqual(alpha + 3 * Math.sqrt((alpha * (1 - alpha)) / comparisons));
  }
}, 300_000);

test("an adapter is no different from itself", () => {
  const same = pool.map((metric) => ({ ...metric, b: metric.a }));
  expect(compareAdapters(same, { resamples: 999 }).comparison.rows.every(({ corrected }) => corrected === 1)).toBe(
    true,
  );
});

test("a real difference of the size of these adapters' noise is found on all items", () => {
  const worse = pool.map((metric) => ({
    ...metric,
    b: metric.largerIsBetter ? Array.from(metric.a, () => 1) : Array.from(metric.a, (value) => 0.8 * value),
  }));
  const { rows } = compareAdapters(worse, { resamples: 999 }).comparison;
  expect(rows.map(({ verdict }) => verdict)).toEqual(rows.map(() => "worse"));
});
