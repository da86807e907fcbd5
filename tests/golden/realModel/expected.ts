import { readFileSync } from "node:fs";
import { join } from "node:path";

/** A chat prompt and its greedy continuation; `margins` are the leads of the most probable token at each step. */
export interface GreedyCase {
  prompt: string;
  prompt_ids: number[];
  ids: number[];
  text: string;
  margins: number[];
}

/** expected/gguf.json. */
export interface ExpectedGguf {
  file: string;
  bytes: number;
  sha256: string;
  metadata: {
    key: string;
    type: string;
    value?: unknown;
    /** For long lists: the number of items, and the hash of all items joined by newlines. */
    length?: number;
    sha256_joined?: string;
  }[];
  tensors: { name: string; hf: string; type: string; shape: number[]; bytes: number; offset: number; sha256: string }[];
}

/** expected/tokens.json. */
export interface ExpectedTokens {
  cases: { text: string; ids: number[]; decoded: string; decoded_skip_special: string }[];
  decode: { ids: number[]; text: string }[];
  chats: {
    messages: { role: string; content: string }[];
    add_generation_prompt: boolean;
    text: string;
    ids: number[];
  }[];
  special_ids: Record<string, number>;
}

interface PaddedBatch {
  input_ids: number[][];
  attention_mask: number[][];
  position_ids: number[][];
}

/** expected/forward.json. */
export interface ExpectedForward {
  texts: { text: string; ids: number[]; loss: number; positions: number[] }[];
  batch: { right: PaddedBatch; left: PaddedBatch; last_index_right: number[] };
}

/** expected/greedy.json. */
export interface ExpectedGreedy {
  max_new_tokens: number;
  cases: GreedyCase[];
}

/** expected/train.json. */
export interface ExpectedTraining {
  config: { lr: number; betas: [number, number]; eps: number; weight_decay: number };
  examples: TrainingExample[];
  /** The indices of the examples of each step. */
  steps: number[][];
  losses: number[];
  grad_norms: number[];
  grad_norm_per_tensor: Record<string, Record<string, number>>;
  before: GreedyCase[];
  /** The loss of forward.json's text 2, and answers, by the number of steps before. */
  after: Record<string, { loss_text2: number; outputs: GreedyCase[] }>;
  logits_text: { ids: number[] };
}

/** expected/qlora.json. */
export interface ExpectedQlora {
  tensors: {
    name: string;
    offset: number;
    sha256_packed: string;
    sha256_absmax: string;
    sha256_nested_absmax: string;
    sha256_dequantized: string;
  }[];
  losses: number[];
  train_losses: number[];
  train_grad_norms: number[];
  grad_norm_per_tensor: Record<string, Record<string, number>>;
}

/** A padded example; tokens beyond `length` are padding. */
export interface TrainingExample {
  length: number;
  ids: number[];
  labels: number[];
}

/** Reads `expected/<name>.json` of a folder. */
export function readExpected<T>(dir: string, name: string): T {
  return JSON.parse(readFileSync(join(dir, "expected", `${name}.json`), "utf8"));
}
