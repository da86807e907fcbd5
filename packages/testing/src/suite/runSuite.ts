import { checkOptions } from "@lowrank/core/internal";
import type { CausalLM, Tokenizer } from "@lowrank/models";
import { type AdapterSource, PeftModel, type Warning } from "@lowrank/peft";
import { configChecks, finiteCheck, loadCheck } from "./adapterChecks.ts";
import { promptResults } from "./answers/promptResults.ts";
import { maskChecks } from "./masks/maskChecks.ts";
import { fact } from "./shared/check.ts";
import { compareAdapters } from "./shared/comparison.ts";
import { parseSuite } from "./shared/parseSuite.ts";
import type { Suite } from "./shared/suite.ts";
import type { SuiteCheck, SuiteReport } from "./shared/suiteReport.ts";
import { adapterSystem, baseSystem } from "./shared/systems.ts";
import { textResults } from "./texts/textResults.ts";
import { type UsedAdapter, useAdapter } from "./useAdapter.ts";

/** Options of `runSuite`. */
export interface RunSuiteOptions {
  /** The base model, or a `PeftModel` that has the adapter. */
  model: CausalLM | PeftModel<CausalLM>;
  /** The base model's tokenizer. */
  tokenizer: Tokenizer;
  /** Adapter to test: its folder, its address or its files, or its name on the `PeftModel`. */
  adapter: AdapterSource;
  /** Adapter with which it is compared. Default: none. */
  against?: AdapterSource;
  /** Called after each batch with the part of the suite, the number of finished items and their total. */
  onProgress?: (part: string, done: number, of: number) => void;
}

/**
 * Tests an adapter: its files, its answers to prompts, its loss on held-out data, forgetting, drift from the base
 * model, and the loss masks of its training data. The base model's results are computed once. With `against`, compares
 * two adapters by a paired bootstrap. Adapters that the suite loads are removed at the end.
 *
 * A failed check does not throw: see `passed` and `checks` of the report. An adapter that does not fit the model gives
 * a failed check, and the other checks do not run.
 *
 * @throws `SuiteError` if the suite cannot be run, and `Error` for missing files.
 * @example
 * ```ts
 * const { model, tokenizer } = await loadModel("./model");
 * const suite = { heldOut: { data: "test.jsonl", maxLoss: 0.4 } };
 * const report = await runSuite(suite, { model, tokenizer, adapter: "./adapter" });
 * if (!report.passed) throw new Error(report.checks.find(({ passed }) => !passed)?.message);
 * ```
 */
export async function runSuite(suite: Suite, options: RunSuiteOptions): Promise<SuiteReport> {
  checkOptions("runSuite", options, {
    ...({ model: true, tokenizer: true, adapter: true, against: true, onProgress: true } as const),
  });
  parseSuite(suite);
  const { model, adapter, against } = options;
  const start = performance.now();
  const warnings: Warning[] = [];
  const isPeft = model instanceof PeftModel;
  const peft: PeftModel<CausalLM> = isPeft
    ? model
    : new PeftModel<CausalLM>(model, (warning) => warnings.push(warning));
  const [active, training] = [peft.activeAdapter, peft.training];
  const used: UsedAdapter[] = [];
  peft.eval();
  try {
    used.push(await useAdapter(peft, adapter, "suite_adapter"));
    const fits = used[0].problem === null ? loadCheck(warnings) : notLoaded("adapter", used[0].problem);
    const checks: SuiteCheck[] = [...configChecks(suite.adapter ?? {}, used[0].config), fits];
    if (against !== undefined) used.push(await useAdapter(peft, against, "suite_against"));
    if (used[1]?.problem) checks.push(notLoaded("against", used[1].problem));
    const found = used.every(({ problem }) => problem === null) ? await measure(suite, options, peft, used) : nothing;
    const all = [...checks, ...found.checks];
    return {
      ...found,
      name: suite.name ?? "adapter",
      passed: all.every(({ passed }) => passed),
      ...{ adapter: used[0].label, against: used[1]?.label ?? null, checks: all },
      seconds: (performance.now() - start) / 1000,
    };
  } finally {
    if (active !== null) peft.setAdapter(active);
    for (const one of used) one.remove();
    if (!isPeft) peft.unload();
    if (training) peft.train();
  }
}

function notLoaded(group: "adapter" | "against", problem: string): SuiteCheck {
  return fact(
    group,
    "fits the model",
    false,
    `${problem}; the adapter was made for another base model, or its files are damaged`,
  );
}

type Found = Pick<SuiteReport, "checks" | "measures" | "answers" | "masks" | "comparison">;

/** The results of a suite whose adapters cannot run. */
const nothing: Found = {
  ...{ checks: [], answers: [], masks: [], comparison: null },
  measures: { base: {}, adapter: {}, against: null },
};

/** Runs all parts of a suite on adapters that are on the model. */
async function measure(
  suite: Suite,
  { tokenizer, onProgress }: RunSuiteOptions,
  peft: PeftModel<CausalLM>,
  used: readonly UsedAdapter[],
): Promise<Found> {
  const model = peft.baseModel;
  const base = baseSystem(peft);
  const systems = used.map(({ name }, i) => adapterSystem(i === 0 ? "adapter" : "against", peft, name));
  const values: SuiteCheck[] = [];
  for (const [i, { name }] of used.entries())
    values.push(await finiteCheck(i === 0 ? "adapter" : "against", peft, name));
  // The masks need no model, and show a mistake in the data before the slow parts run.
  const masks = suite.masks
    ? await base.run(() => maskChecks(suite.masks!, model, tokenizer))
    : { checks: [], masks: [] };
  if (!values.every(({ passed }) => passed)) {
    return { ...nothing, checks: [...values, ...masks.checks], masks: masks.masks };
  }
  const prompts = await promptResults(suite, model, tokenizer, systems, onProgress);
  const texts = await textResults(suite, model, tokenizer, { base, systems }, onProgress);
  const checks = [...values, ...prompts.checks, ...texts.checks, ...masks.checks];
  const compared =
    systems.length > 1 ? compareAdapters([...prompts.metrics, ...texts.metrics], suite.comparison) : null;
  const [own, other] = systems.map((_, i) => ({ ...prompts.measures[i], ...texts.measures[i] }));
  return {
    checks: [...checks, ...(compared?.checks ?? [])],
    measures: { base: texts.base, adapter: own, against: other ?? null },
    ...{ answers: prompts.answers, masks: masks.masks, comparison: compared?.comparison ?? null },
  };
}
