import type { Warning } from "./warning.ts";

/** The task of the base model. It determines which heads are saved with an adapter. */
export type TaskType = "SEQ_CLS" | "SEQ_2_SEQ_LM" | "CAUSAL_LM" | "TOKEN_CLS" | "QUESTION_ANS" | "FEATURE_EXTRACTION";

/** Fields that every method's configuration has. */
export interface PeftOptions {
  taskType?: TaskType | null;
  /** The base model's name or path, for the files. */
  baseModelNameOrPath?: string | null;
  /** The base model's revision. */
  revision?: string | null;
  /**
   * Modules of the base model that are copied, trained and saved whole: all whose path ends with one of these names.
   */
  modulesToSave?: readonly string[] | null;
  /**
   * The modules to adapt: names matched at the end of a path, a regular expression for the whole path, or "all-linear".
   */
  targetModules?: readonly string[] | string | null;
  /** Modules to exclude, matched in the same way. */
  excludeModules?: readonly string[] | string | null;
}

/** The configuration of a method, with Hugging Face PEFT's names and defaults. */
export abstract class PeftConfig {
  readonly peftType: string;
  readonly taskType: TaskType | null;
  readonly baseModelNameOrPath: string | null;
  readonly revision: string | null;
  readonly modulesToSave: readonly string[] | null;
  readonly targetModules: readonly string[] | string | null;
  readonly excludeModules: readonly string[] | string | null;

  constructor(peftType: string, options: PeftOptions) {
    this.peftType = peftType;
    this.taskType = options.taskType ?? null;
    this.baseModelNameOrPath = options.baseModelNameOrPath ?? null;
    this.revision = options.revision ?? null;
    this.modulesToSave = options.modulesToSave ?? null;
    this.targetModules = options.targetModules ?? null;
    this.excludeModules = options.excludeModules ?? null;
  }

  /** Returns a copy with some fields changed. */
  with(changes: object): this {
    const { peftType: _, ...fields } = this;
    return new (this.constructor as new (options: object) => this)({ ...fields, ...changes });
  }
}

/** Fields that files of all methods with targets contain. */
export const peftFields: readonly string[] = [
  "base_model_name_or_path",
  "modules_to_save",
  "revision",
  "target_modules",
  "task_type",
];

/** The rules for reading and writing a method's configuration. */
export interface ConfigFormat {
  /**
   * Fields, as spelled in files, that are always written. Other fields are written only if they differ from the
   * default.
   */
  readonly classic: readonly string[];
  /** Fields that are floats in Python. */
  readonly floats: readonly string[];
  /** Fields whose value is a nested configuration. Its keys are converted in the same way. */
  readonly nested?: readonly string[];
  /** Fields that are spelled in files as in code. */
  readonly verbatim?: readonly string[];
  /** PEFT fields that change an adapter's output and are not supported, with the only accepted value. */
  readonly refused: Readonly<Record<string, unknown>>;
  /** PEFT fields without effect on a trained adapter, with their default. */
  readonly ignored: Readonly<Record<string, unknown>>;
  /** Returns a warning about a file, given its fields, or null. */
  note?(fields: Readonly<Record<string, unknown>>): Warning | null;
}

/** Returns true if two values have the same JSON. */
export function sameValue(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
