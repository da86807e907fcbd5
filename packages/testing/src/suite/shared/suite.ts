import type { ChatMessage } from "@lowrank/models";
import type { Example, TokenizedExample } from "@lowrank/train";

/** Requirements for an answer. Each given requirement is one check. */
export interface Expectation {
  /** The whole answer, apart from white space at its start and end. */
  readonly exact?: string;
  /** Texts that the answer contains. */
  readonly contains?: string | readonly string[];
  /** Texts that the answer does not contain. */
  readonly notContains?: string | readonly string[];
  /** Regular expression of JavaScript (flag u) that matches a part of the answer. */
  readonly matches?: string | RegExp;
  /** JSON schema of the answer, which must be JSON. Draft 2020-12, or draft-07 if `$schema` names it. */
  readonly schema?: object;
  /** In code only: returns true if the answer is right, or a text that describes the problem. */
  readonly check?: (answer: string) => boolean | string | Promise<boolean | string>;
}

/** Prompt with requirements for its answer. It has either a `prompt` or `messages`. */
export interface PromptTest extends Expectation {
  /** Name in reports. Default: the beginning of the prompt. */
  readonly name?: string;
  /** Text that the model continues. */
  readonly prompt?: string;
  /** Chat that the model answers, in its chat template. */
  readonly messages?: readonly ChatMessage[];
}

/** Texts on which losses are measured: one of `data`, `text` and `examples`. */
export interface TextSource {
  /** Path or address of a data file: a text, or records as for `lowrank train`. */
  readonly data?: string;
  /** A plain text, or several. */
  readonly text?: string | readonly string[];
  /** Records, such as `{ prompt, completion }`, or token ids with labels. */
  readonly examples?: readonly (Example | TokenizedExample)[];
  /** Maximum number of tokens to read, from the beginning. Default: all. */
  readonly maxTokens?: number;
  /** Maximum number of tokens in a window; longer texts are divided. Default: 512, or the model's maximum length. */
  readonly window?: number;
}

/** Limits of the loss on held-out data. At least one is required. */
export interface HeldOutLimits extends TextSource {
  /** Largest mean loss of a token, in nats. */
  readonly maxLoss?: number;
  /** Largest perplexity, exp(loss). */
  readonly maxPerplexity?: number;
}

/** Limit of what the adapter may forget: its loss minus the base model's loss on general text. */
export interface ForgettingLimits extends TextSource {
  /** Largest increase of the mean loss of a token, in nats. */
  readonly maxLossIncrease: number;
}

/** Limits of the difference between the predictions of the adapter and of the base model. At least one is required. */
export interface DriftLimits extends TextSource {
  /** Largest share of tokens, from 0 to 1, at which the most likely next token differs from the base model's. */
  readonly maxChangedTokens?: number;
  /** Largest mean Kullback-Leibler divergence of a token, KL(base || adapter), in nats. */
  readonly maxKl?: number;
}

/** Names of the checks of loss masks. */
export type MaskCheck =
  | "labels"
  | "prompt"
  | "answer"
  | "endOfSequence"
  | "tokens"
  | "template"
  | "truncation"
  | "truncatedEnd";

/** Checks of which tokens of training examples are learned. */
export interface MaskTests {
  /** Path or address of a data file with training records. Records may also have `input_ids` and `labels`. */
  readonly data?: string;
  /** Training records, instead of `data`. */
  readonly examples?: readonly (Example | TokenizedExample)[];
  /** In code only: your own tokenization, whose labels are checked. Default: `tokenizeExample`. */
  readonly tokenize?: (example: Example) => TokenizedExample | Promise<TokenizedExample>;
  /** Number of examples to check, from the beginning. Default: 20. */
  readonly limit?: number;
  /** Maximum number of tokens in training. Default: the model's maximum length. */
  readonly maxLength?: number;
  /**
   * Largest share of the checked examples, from 0 to 1, whose answer may lose its end to truncation. The model does not
   * learn to stop from these examples. Default: 0.
   */
  readonly maxTruncated?: number;
  /** Checks to run. Default: all that apply to the examples. */
  readonly checks?: readonly MaskCheck[];
}

/** Requirements for the adapter's files. */
export interface AdapterRequirements {
  /** Name of the base model, compared with the last part of `base_model_name_or_path`. */
  readonly base?: string;
  /** Fields of `adapter_config.json` and their required values. The order in lists of names does not matter. */
  readonly config?: Readonly<Record<string, unknown>>;
}

/** Settings of the generation of answers. */
export interface AnswerOptions {
  /** Maximum number of tokens in an answer. Default: 32. */
  readonly maxNewTokens?: number;
  /** Number of prompts in a batch. Default: 32. */
  readonly batchSize?: number;
  /** Texts at which an answer ends. Default: none. */
  readonly stop?: readonly string[];
  /** System message of each chat that has none. */
  readonly system?: string;
}

/** Settings of the comparison of two adapters. */
export interface ComparisonOptions {
  /** Probability of any false alarm. Default: 0.05. */
  readonly alpha?: number;
  /** Number of resamples. Default: 10000. */
  readonly resamples?: number;
  /** Seed of the resamples. Default: 0. */
  readonly seed?: number;
}

/**
 * Tests of an adapter. A suite in YAML or JSON has the same keys. All keys are optional, but a suite needs at least one
 * of `adapter`, `prompts`, `heldOut`, `forgetting`, `drift` and `masks`.
 *
 * @example
 * ```ts
 * const suite: Suite = {
 *   prompts: [{ prompt: "print the sum of cost and 7\n", exact: "console.log(cost + 7);" }],
 *   heldOut: { data: "test.jsonl", maxLoss: 0.2 },
 *   forgetting: { text: generalText, maxLossIncrease: 0.1 },
 * };
 * ```
 */
export interface Suite {
  /** Name in reports. Default: "adapter". */
  readonly name?: string;
  /** Path or address of the base model, for `lowrank test`. `runSuite` takes the loaded model. */
  readonly model?: string;
  /** Requirements for the adapter's `adapter_config.json`. */
  readonly adapter?: AdapterRequirements;
  /** Settings of the answers to `prompts`. */
  readonly generation?: AnswerOptions;
  /** Prompts with requirements for their answers. */
  readonly prompts?: readonly PromptTest[];
  /** Smallest share of prompts, from 0 to 1, that must pass. Default: 1. */
  readonly minPassed?: number;
  /** Limits of the loss on data that the adapter was not trained on. */
  readonly heldOut?: HeldOutLimits;
  /** Limit of the increase of the loss on general text. */
  readonly forgetting?: ForgettingLimits;
  /** Limits of the changes of predictions. Without its own texts, drift is measured on the texts of `forgetting`. */
  readonly drift?: DriftLimits;
  /** Checks of the loss masks of training data. */
  readonly masks?: MaskTests;
  /** Settings of the comparison with the adapter `against`. */
  readonly comparison?: ComparisonOptions;
}
