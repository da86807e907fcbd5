import type { Tensor } from "@lowrank/core";
import type { GenerativeModel, TextPrompt } from "@lowrank/models";
import type { Expectation } from "../suite/shared/suite.ts";
import type { MatcherResult } from "./matcher.ts";
import { type AnswerMatcherOptions, toAnswer } from "./toAnswer.ts";
import { type CloseToTensorOptions, toBeCloseToTensor } from "./toBeCloseToTensor.ts";
import { type EqualMergedOptions, toEqualMerged } from "./toEqualMerged.ts";
import { type ForgettingOptions, toForgetLessThan } from "./toForgetLessThan.ts";
import { type SameTokensOptions, toGenerateSameTokens } from "./toGenerateSameTokens.ts";

/** Nested arrays of numbers. */
export type NestedValues = number | readonly NestedValues[];

/** Matchers for `expect`. All are asynchronous, so use them with `await`. */
export interface LowrankMatchers<R = Promise<void>> {
  /**
   * Passes if merging the active adapter of a `PeftModel` does not change the output of any layer by more than
   * rounding. The message names the first layer that does, and the largest difference.
   *
   * @example
   * ```ts
   * await expect(peft).toEqualMerged();
   * ```
   */
  toEqualMerged(options?: EqualMergedOptions): R;
  /**
   * Passes if two tensors have the same shape and close elements. The default tolerances equal
   * `torch.testing.assert_close`'s.
   *
   * @example
   * ```ts
   * await expect(logits).toBeCloseToTensor([[0.1, 0.9]], { atol: 1e-3 });
   * ```
   */
  toBeCloseToTensor(expected: Tensor | NestedValues, options?: CloseToTensorOptions): R;
  /**
   * Passes if two models continue all prompts with the same tokens, without sampling. Prompts are lists of token ids.
   *
   * @example
   * ```ts
   * await expect(merged).toGenerateSameTokens(peft, { prompts: [tokenizer.encode("add 2 and 3")] });
   * ```
   */
  toGenerateSameTokens(expected: GenerativeModel, options: SameTokensOptions): R;
  /**
   * Passes if the model's answer to a prompt, without sampling, is as expected: equals a text apart from white space at
   * its ends, has a part that a regular expression matches, or meets the requirements of an `Expectation`.
   *
   * @example
   * ```ts
   * await expect({ model: peft, tokenizer }).toAnswer("add 2 and 3", /5/);
   * ```
   */
  toAnswer(prompt: TextPrompt, expected: string | RegExp | Expectation, options?: AnswerMatcherOptions): R;
  /**
   * Passes if the active adapter of a `PeftModel` raises the mean loss of a token on general texts by at most `limit`
   * nats.
   *
   * @example
   * ```ts
   * await expect({ model: peft, tokenizer }).toForgetLessThan(0.05, { texts: ["Rome is the capital of Italy."] });
   * ```
   */
  toForgetLessThan(limit: number, options: ForgettingOptions): R;
}

/** A matcher: receives the value of `expect` and the matcher's arguments. */
export type Matcher = (received: never, ...args: never[]) => Promise<MatcherResult>;

/**
 * The matchers as functions of the received value, for `expect.extend`. The entries `/vitest` and `/jest` call it.
 *
 * @example
 * ```ts
 * expect.extend(lowrankMatchers);
 * ```
 */
export const lowrankMatchers: Readonly<Record<keyof LowrankMatchers, Matcher>> = {
  toEqualMerged: toEqualMerged as Matcher,
  toBeCloseToTensor: toBeCloseToTensor as Matcher,
  toGenerateSameTokens: toGenerateSameTokens as Matcher,
  toAnswer: toAnswer as Matcher,
  toForgetLessThan: toForgetLessThan as Matcher,
};
