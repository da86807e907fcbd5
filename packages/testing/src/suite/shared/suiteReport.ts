import type { ScoreDifference } from "../../statistics/compareScores.ts";

/** Part of a suite to which a check belongs. "against" are the checks of the comparison with another adapter. */
export type CheckGroup = "adapter" | "prompts" | "heldOut" | "forgetting" | "drift" | "masks" | "against";

/** Result of one check. */
export interface SuiteCheck {
  /** Part of the suite. */
  readonly group: CheckGroup;
  /** Name within its group, such as "loss increase". For a prompt, the prompt's name. */
  readonly name: string;
  /** True if the requirement is met. */
  readonly passed: boolean;
  /** The measured value; null if nothing could be measured. */
  readonly value: number | string | null;
  /** The limit, or the expected value. */
  readonly limit: number | string | null;
  /** Names the value and the limit and, for a failed check, the likely cause. */
  readonly message: string;
}

/** Measurements of one model: the base model, or the base model with an adapter. */
export interface SuiteMeasures {
  /** Share of prompts whose answers passed. */
  readonly passed?: number;
  /** Mean loss of a held-out token in nats. */
  readonly loss?: number;
  /** exp(loss). */
  readonly perplexity?: number;
  /** Mean loss of a token of general text, in nats. */
  readonly generalLoss?: number;
  /** Share of tokens of general text at which the most likely next token is not the base model's. */
  readonly changedTokens?: number;
  /** Mean KL(base || adapter) of a token of general text, in nats. */
  readonly kl?: number;
}

/** Answer of the adapter to a prompt of the suite. */
export interface SuiteAnswer {
  /** The prompt's name. */
  readonly name: string;
  /** The prompt as text. A chat is one line for each message. */
  readonly prompt: string;
  /** The generated text. */
  readonly answer: string;
  /** True if the answer meets all requirements. */
  readonly passed: boolean;
  /** The requirements that the answer does not meet. */
  readonly problems: readonly string[];
  /** The answer of the other adapter. */
  readonly against?: string;
}

/** Comparison of both adapters by one metric. */
export interface SuiteDifference extends ScoreDifference {
  /** The metric. Larger is better for "passed prompts", smaller for all others. */
  readonly metric: "passed prompts" | "held-out loss" | "general loss" | "changed tokens" | "KL";
  /** Value of the tested adapter. Losses and KL are in nats a token, other metrics are shares from 0 to 1. */
  readonly adapter: number;
  /** Value of the other adapter. */
  readonly against: number;
  /** The p-value, corrected for the number of metrics by Holm's method. */
  readonly corrected: number;
  /** "better" or "worse" if the corrected p-value is at most alpha. */
  readonly verdict: "better" | "worse" | "no difference";
}

/** Part of an example. Either all of its tokens are learned, or none. */
export interface MaskedPart {
  /** The decoded tokens. */
  readonly text: string;
  /** True if the loss includes the tokens. */
  readonly learned: boolean;
}

/** Loss mask of a training example. */
export interface MaskedExample {
  /** Position in its file, or in the list of examples. */
  readonly where: string;
  /** Number of tokens, at most `maxLength`. */
  readonly tokens: number;
  /** Number of learned tokens. */
  readonly learned: number;
  /** The text in parts, in order. */
  readonly parts: readonly MaskedPart[];
  /** The failed checks of this example, as sentences. */
  readonly problems: readonly string[];
}

/**
 * Result of a suite.
 *
 * @example
 * ```ts
 * const report = await runSuite(suite, { model, tokenizer, adapter: "./adapter" });
 * for (const { name, message } of report.checks.filter(({ passed }) => !passed)) console.error(`${name}: ${message}`);
 * ```
 */
export interface SuiteReport {
  /** The suite's name. Default: "adapter". */
  readonly name: string;
  /** True if all checks passed. */
  readonly passed: boolean;
  /** Name of the tested adapter, or its folder or address. */
  readonly adapter: string;
  /** Name of the adapter with which it is compared. Null without one. */
  readonly against: string | null;
  /** All checks, passed and failed. */
  readonly checks: readonly SuiteCheck[];
  /** Measured values of the base model and of each adapter. Only values that the suite needs are measured. */
  readonly measures: {
    readonly base: SuiteMeasures;
    readonly adapter: SuiteMeasures;
    readonly against: SuiteMeasures | null;
  };
  /** Answers to the prompts, in their order. */
  readonly answers: readonly SuiteAnswer[];
  /** Examples whose loss masks were checked. */
  readonly masks: readonly MaskedExample[];
  /** Comparison with the other adapter; null without one. */
  readonly comparison: {
    readonly alpha: number;
    readonly resamples: number;
    readonly seed: number;
    readonly rows: readonly SuiteDifference[];
  } | null;
  /** Duration of the suite, without loading the model. */
  readonly seconds: number;
}
