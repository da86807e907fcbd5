import type { ScoreDifference } from "../../statistics/compareScores.ts";

/** Part of a suite to which a check belongs. */
export type CheckGroup = "adapter" | "prompts" | "heldOut" | "forgetting" | "drift" | "masks" | "against";

/** Result of one check. */
export interface SuiteCheck {
  readonly group: CheckGroup;
  readonly name: string;
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
  /** Mean loss of a held-out token in nats, and its exponential. */
  readonly loss?: number;
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
  readonly name: string;
  /** The prompt as text. A chat is one line for each message. */
  readonly prompt: string;
  readonly answer: string;
  readonly passed: boolean;
  /** The requirements that the answer does not meet. */
  readonly problems: readonly string[];
  /** The answer of the other adapter. */
  readonly against?: string;
}

/** Comparison of both adapters by one metric. */
export interface SuiteDifference extends ScoreDifference {
  readonly metric: "passed prompts" | "held-out loss" | "general loss" | "changed tokens" | "KL";
  /** Values of the tested adapter and of the other one. */
  readonly adapter: number;
  readonly against: number;
  /** The p-value, corrected for the number of metrics by Holm's method. */
  readonly corrected: number;
  /** "better" or "worse" if the corrected p-value is at most alpha. */
  readonly verdict: "better" | "worse" | "no difference";
}

/** Part of an example. Either all of its tokens are learned, or none. */
export interface MaskedPart {
  readonly text: string;
  readonly learned: boolean;
}

/** Loss mask of a training example. */
export interface MaskedExample {
  /** Position in its file, or in the list of examples. */
  readonly where: string;
  readonly tokens: number;
  readonly learned: number;
  readonly parts: readonly MaskedPart[];
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
  readonly name: string;
  /** True if all checks passed. */
  readonly passed: boolean;
  /** Names of the tested adapter and of the one it is compared with. */
  readonly adapter: string;
  readonly against: string | null;
  readonly checks: readonly SuiteCheck[];
  readonly measures: {
    readonly base: SuiteMeasures;
    readonly adapter: SuiteMeasures;
    readonly against: SuiteMeasures | null;
  };
  readonly answers: readonly SuiteAnswer[];
  readonly masks: readonly MaskedExample[];
  /** Comparison with the other adapter; null without one. */
  readonly comparison: {
    readonly alpha: number;
    readonly resamples: number;
    readonly seed: number;
    readonly rows: readonly SuiteDifference[];
  } | null;
  readonly seconds: number;
}
