import type { Embedding, Linear } from "@lowrank/nn";
import type { PeftConfig } from "../../config/peftConfig.ts";
import type { Swap } from "../../layers/swap.ts";
import type { Allocator, AnyMethod, SharedTensors } from "../../methods/shared/method.ts";
import type { PromptTokens } from "../../prompt/promptTokens.ts";
import type { TargetReport } from "../../targets/matchTargets.ts";

/** Prefix of the keys in adapter files for tensors of one layer. */
export const filePrefix = "base_model.model.";
/**
 * Prefix of the keys in adapter files for tensors that several layers share, and for prompt methods. For prompt methods
 * PEFT does not wrap the base model, so their keys lack the "model." of `filePrefix`.
 */
export const sharedPrefix = "base_model.";

/** Prefix of the keys of a prompt encoder's parameters. Adapter files do not contain these parameters. */
export const encoderPrefix = "prompt_encoder.";

/** Dtypes with two bytes per element. */
export type HalfDType = "f16" | "bf16";

/** One adapter of a model. Its tensors on individual layers are not stored here but in the layers' wrappers. */
export interface Adapter {
  readonly name: string;
  readonly method: AnyMethod;
  /** The configuration, with the targets resolved to full names. AdaLoRA changes it during training. */
  config: PeftConfig;
  readonly report: TargetReport;
  readonly shared: SharedTensors;
  /** Reallocates ranks (AdaLoRA) or clusters (AdaMSS) during training; null for other methods. */
  readonly allocator: Allocator<PeftConfig> | null;
  /** The virtual tokens put before sequences; null for layer methods. */
  readonly prompt: PromptTokens | null;
  /** True if the adapter's tensors train while it is active. */
  trainable: boolean;
  /**
   * Embeddings and output layers that the adapter's file contains in full although the adapter does not train their
   * weights, by file key. PEFT saves these weights if the adapter targets the modules.
   */
  readonly tables: ReadonlyMap<string, Embedding | Linear>;
  /** The paths that files contain for layers, if they differ from the layers' paths. */
  readonly filePaths?: ReadonlyMap<string, string>;
  /** Base model parameters (biases, embedding tables) that the adapter replaces while it is active, by file key. */
  readonly swaps: Map<string, Swap>;
  /** The tensors that were f16 or bf16 in the loaded file, by file key. */
  halfPrecision: ReadonlyMap<string, HalfDType>;
}
