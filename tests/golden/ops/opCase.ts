import type { GoldenFile } from "@lowrank/test-support/golden";
import type { Check } from "../check/compare.ts";

/** A case of ops.json. */
export interface OpCase {
  id: string;
  op: string;
  params: Record<string, unknown>;
  /** Names of tensors in ops.safetensors. */
  inputs: string[];
  outputs: string[];
  /** Names of the gradients, by the input's index. */
  grads: Record<string, string>;
}

/** The learning rates of a schedule, step by step. */
export interface GoldenSchedule {
  name: string;
  lr: number;
  warmup: number;
  total: number;
  values: number[];
}

/** The content of ops.json. */
export interface OpsFile {
  cases: OpCase[];
  schedules?: GoldenSchedule[];
}

/** The comparisons of one case with the tensors of ops.safetensors. */
export type CaseChecks = (golden: GoldenFile, opCase: OpCase) => AsyncGenerator<Check>;
