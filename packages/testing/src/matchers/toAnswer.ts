import { checkOptions, type OptionKeys } from "@lowrank/core/internal";
import { type GenerativeModel, generateText, type TextPrompt, type Tokenizer } from "@lowrank/models";
import { answerCheck } from "../suite/answers/expectations.ts";
import type { Expectation } from "../suite/shared/suite.ts";
import { type MatcherResult, result } from "./matcher.ts";

/** A language model with its tokenizer, as `loadModel` returns them. The model may have adapters. */
export interface AnsweringModel {
  /** The language model, or a `PeftModel` on it. */
  readonly model: GenerativeModel;
  /** The model's tokenizer. The matchers throw if it is null. */
  readonly tokenizer: Tokenizer | null;
}

const expectationKeys: OptionKeys<Expectation> = {
  ...({ exact: true, contains: true, notContains: true, matches: true, schema: true, check: true } as const),
};

/** Options of `toAnswer`. */
export interface AnswerMatcherOptions {
  /** Largest number of new tokens. Default: 32. */
  maxNewTokens?: number;
}

/** Returns the tokenizer of a model. Throws if it has none. */
export function tokenizerOf(matcher: string, { tokenizer }: AnsweringModel): Tokenizer {
  if (tokenizer) return tokenizer;
  throw new Error(`${matcher}: the model has no tokenizer; give { model, tokenizer }`);
}

/**
 * Passes if the model's answer to a prompt is as expected, without sampling. A text must equal the answer without outer
 * white space, and a regular expression must match a part of it. An `Expectation` has the requirements of a suite's
 * prompts: `contains`, `schema`, `check` and others.
 */
export async function toAnswer(
  received: AnsweringModel,
  prompt: TextPrompt,
  expected: string | RegExp | Expectation,
  options: AnswerMatcherOptions = {},
): Promise<MatcherResult> {
  checkOptions("toAnswer", options, { maxNewTokens: true });
  const { maxNewTokens = 32 } = options;
  const settings = { maxNewTokens, doSample: false };
  const answer = await generateText(received.model, tokenizerOf("toAnswer", received), prompt, settings);
  const wanted =
    typeof expected === "string" ? { exact: expected } : expected instanceof RegExp ? { matches: expected } : expected;
  checkOptions("toAnswer", wanted, expectationKeys);
  const check = await answerCheck(wanted, ["toAnswer"]);
  const problems = await check(answer);
  const shown = `the answer to ${JSON.stringify(prompt)} is ${JSON.stringify(answer)}`;
  const passed = `expected another answer, and ${shown}`;
  return result(problems.length === 0, `${shown}; ${problems.join("; ")}`, passed);
}
