import type { Embedding, Linear } from "@lowrank/nn";
import type { PeftConfig } from "../config/peftConfig.ts";
import type { SharedTensors } from "../layers/sharedTensors.ts";
import type { Swap } from "../layers/swap.ts";
import type { Allocator, AnyMethod } from "../methods/shared/method.ts";
import type { PromptTokens } from "../prompt/promptTokens.ts";
import type { TargetReport } from "../targets/matchTargets.ts";

/**
 * The prefixes of keys in adapter files: of layers' tensors, and of tensors that the
 * layers share. PEFT's prompt methods do not wrap the model, so that their tensors have
 * the prefix of shared ones.
 */
export const filePrefix = "base_model.model.";
export const sharedPrefix = "base_model.";

/** The prefix of the paths of parameters in prompt encoders; no file holds these. */
export const encoderPrefix = "prompt_encoder.";

/** The dtypes that hold a number in two bytes. */
export type HalfDType = "f16" | "bf16";

/** One adapter on a model, apart from its parts in the wrappers. */
export interface Adapter {
  readonly name: string;
  readonly method: AnyMethod;
  /** With its targets said in full; training may change it. */
  config: PeftConfig;
  readonly report: TargetReport;
  readonly shared: SharedTensors;
  /** The allocator that changes its layers while it trains. */
  readonly allocator: Allocator<PeftConfig> | null;
  /** The virtual tokens that it puts before sequences. */
  readonly prompt: PromptTokens | null;
  /** True if its tensors train while it is active. */
  trainable: boolean;
  /**
   * Base layers whose tables its file holds though they do not train, by key: PEFT saves
   * them with their adapter.
   */
  readonly tables: ReadonlyMap<string, Embedding | Linear>;
  /**
   * Base values that it replaces while it is active, by their key in its file:
   * biases, embedding tables.
   */
  readonly swaps: Map<string, Swap>;
  /** The tensors that its file held in half precision, by key. */
  halfPrecision: ReadonlyMap<string, HalfDType>;
}
