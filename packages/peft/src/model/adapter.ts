import type { Embedding, Linear } from "@lowrank/nn";
import type { PeftConfig } from "../config/peftConfig.ts";
import type { SharedTensors } from "../layers/sharedTensors.ts";
import type { Swap } from "../layers/swap.ts";
import type { Allocator, AnyMethod } from "../methods/method.ts";
import type { PromptTokens } from "../prompt/promptTokens.ts";
import type { TargetReport } from "../targets/matchTargets.ts";

/** Where the keys of adapter files start: those of layers' tensors, and those of what the layers share. PEFT's prompt methods
 * do not wrap the model, so that what they save of it starts as what is shared. */
export const filePrefix = "base_model.model.";
export const sharedPrefix = "base_model.";

/** Where the paths of what trains in prompt encoders start; no file holds these. */
export const encoderPrefix = "prompt_encoder.";

/** The dtypes that hold a number in two bytes. */
export type HalfDType = "f16" | "bf16";

/** One adapter on a model, apart from what sits in the wrappers. */
export interface Adapter {
  readonly name: string;
  readonly method: AnyMethod;
  /** With its targets said in full; training may change it. */
  config: PeftConfig;
  readonly report: TargetReport;
  readonly shared: SharedTensors;
  /** What decides about its layers while it trains. */
  readonly allocator: Allocator<PeftConfig> | null;
  /** What it puts before sequences. */
  readonly prompt: PromptTokens | null;
  /** Whether its tensors train while it is active. */
  trainable: boolean;
  /** Base layers whose tables its file holds though they do not train, by key: PEFT saves them with their adapter. */
  readonly tables: ReadonlyMap<string, Embedding | Linear>;
  /** Base values that it replaces while it is active, by their key in its file: biases, embedding tables. */
  readonly swaps: Map<string, Swap>;
  /** The tensors that its file held in half precision, by key. */
  halfPrecision: ReadonlyMap<string, HalfDType>;
}
