import type { Embedding, Linear } from "@lowrank/nn";
import type { PeftConfig } from "../config/peftConfig.ts";
import type { SharedTensors } from "../layers/sharedTensors.ts";
import type { Swap } from "../layers/swap.ts";
import type { Allocator, AnyMethod } from "../methods/shared/method.ts";
import type { PromptTokens } from "../prompt/promptTokens.ts";
import type { TargetReport } from "../targets/matchTargets.ts";

/**
 * Prefixes of keys in adapter files: `filePrefix` for tensors of layers, `sharedPrefix` for tensors that several layers
 * share. PEFT's prompt methods do not wrap the model, so their tensors have `sharedPrefix`.
 */
export const filePrefix = "base_model.model.";
export const sharedPrefix = "base_model.";

/** Prefix of the paths of parameters in prompt encoders. Adapter files do not contain these parameters. */
export const encoderPrefix = "prompt_encoder.";

/** Dtypes with two bytes per element. */
export type HalfDType = "f16" | "bf16";

/** One adapter on a model, without its parts in the wrappers. */
export interface Adapter {
  readonly name: string;
  readonly method: AnyMethod;
  /** The configuration, with the targets resolved to full names. AdaLoRA changes it during training. */
  config: PeftConfig;
  readonly report: TargetReport;
  readonly shared: SharedTensors;
  /** Reallocates ranks during training (AdaLoRA); null for other methods. */
  readonly allocator: Allocator<PeftConfig> | null;
  /** The virtual tokens put before sequences; null for layer methods. */
  readonly prompt: PromptTokens | null;
  /** True if the adapter's tensors train while it is active. */
  trainable: boolean;
  /**
   * Frozen embeddings and output layers whose tables the adapter's file contains, by key. PEFT saves them with the
   * adapter.
   */
  readonly tables: ReadonlyMap<string, Embedding | Linear>;
  /** Base values (biases, embedding tables) that the adapter replaces while it is active, by key in its file. */
  readonly swaps: Map<string, Swap>;
  /** Dtypes of the tensors that the loaded file stored in half precision, by key. */
  halfPrecision: ReadonlyMap<string, HalfDType>;
}
