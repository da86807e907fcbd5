import type { CausalLM, Tokenizer } from "@lowrank/models";
import { digits, fact } from "../shared/check.ts";
import type { ComparedMetric } from "../shared/comparison.ts";
import type { Suite } from "../shared/suite.ts";
import type { SuiteAnswer, SuiteCheck, SuiteMeasures } from "../shared/suiteReport.ts";
import type { System } from "../shared/systems.ts";
import { type PreparedPrompts, preparePrompts } from "./promptAnswers.ts";

/** Results of a suite's prompts. */
export interface PromptResults {
  readonly checks: readonly SuiteCheck[];
  readonly answers: readonly SuiteAnswer[];
  /** Measurements of each system. */
  readonly measures: readonly SuiteMeasures[];
  readonly metrics: readonly ComparedMetric[];
}

/** Answers the prompts of a suite with each system. The first system's answers are checked. */
export async function promptResults(
  suite: Suite,
  model: CausalLM,
  tokenizer: Tokenizer,
  systems: readonly System[],
  onProgress?: (part: string, done: number, of: number) => void,
): Promise<PromptResults> {
  const { prompts, minPassed = 1 } = suite;
  if (!prompts) return { checks: [], answers: [], measures: systems.map(() => ({})), metrics: [] };
  if (tokenizer.chatTemplate === null && prompts.some(({ messages }) => messages)) {
    const message = `${tokenizer.label} has no chat template, which prompts with messages need; add chat_template to tokenizer_config.json, or use prompt`;
    const check = fact("prompts", "chat template", false, message);
    return { checks: [check], answers: [], measures: systems.map(() => ({})), metrics: [] };
  }
  const prepared = await preparePrompts(suite, model, tokenizer);
  const texts: string[][] = [];
  const problems: string[][][] = [];
  for (const system of systems) {
    const answers = await answersOf(prepared, system, onProgress);
    if ("group" in answers) return { checks: [answers], answers: [], measures: systems.map(() => ({})), metrics: [] };
    texts.push(answers);
    problems.push(await Promise.all(answers.map((answer, i) => prepared.tests[i].check(answer))));
  }
  const answers = prepared.tests.map(({ name, prompt }, i): SuiteAnswer => {
    const answer = { name, prompt, answer: texts[0][i], passed: problems[0][i].length === 0, problems: problems[0][i] };
    return systems.length > 1 ? { ...answer, against: texts[1][i] } : answer;
  });
  const passed = problems.map((of) => of.map((found) => Number(found.length === 0)));
  const shares = passed.map((values) => values.filter(Boolean).length / values.length);
  const metric = { metric: "passed prompts", largerIsBetter: true, a: passed[0], b: passed[1] ?? [] } as const;
  return {
    checks: minPassed === 1 ? answers.map(answerResult) : [shareCheck(answers, shares[0], minPassed)],
    answers,
    measures: shares.map((share) => ({ passed: share })),
    metrics: systems.length > 1 ? [metric] : [],
  };
}

/** Returns a system's answers, or a failed check if it cannot generate, for example because its logits are infinite. */
async function answersOf(
  prepared: PreparedPrompts,
  system: System,
  onProgress?: (part: string, done: number, of: number) => void,
): Promise<string[] | SuiteCheck> {
  try {
    return await prepared.answers(system, (done, of) => onProgress?.("prompts", done, of));
  } catch (error) {
    return fact(system.name === "against" ? "against" : "prompts", "answers", false, (error as Error).message);
  }
}

function answerResult({ name, answer, passed, problems }: SuiteAnswer): SuiteCheck {
  const found = JSON.stringify(answer.length > 200 ? `${answer.slice(0, 197)}...` : answer);
  const message = passed ? `the answer is ${found}` : `${problems.join("; ")}; the answer is ${found}`;
  return fact("prompts", name, passed, message);
}

/** Returns the one check of prompts of which some may fail. */
function shareCheck(answers: readonly SuiteAnswer[], share: number, least: number): SuiteCheck {
  const failed = answers.filter(({ passed }) => !passed);
  const first = failed.slice(0, 3).map(({ name, problems }) => `${name}: ${problems.join("; ")}`);
  const counts = `${answers.length - failed.length} of ${answers.length} prompts passed (${digits(100 * share)} %)`;
  const passed = share >= least;
  const message = passed
    ? `${counts}, at least ${digits(100 * least)} %`
    : `${counts}, less than ${digits(100 * least)} %; ${first.join("; ")}`;
  return fact("prompts", "passed prompts", passed, message, { value: share, limit: least });
}
