import type { Warning } from "./warning.ts";

/** The task of the base model. It decides which heads are saved beside an adapter. */
export type TaskType = "SEQ_CLS" | "SEQ_2_SEQ_LM" | "CAUSAL_LM" | "TOKEN_CLS" | "QUESTION_ANS" | "FEATURE_EXTRACTION";

/** Fields that the configuration of every method has. */
export interface PeftOptions {
  taskType?: TaskType | null;
  /** The name or path that files give the base model. */
  baseModelNameOrPath?: string | null;
  /** The base model's revision. */
  revision?: string | null;
  /**
   * Parts of the base model that are copied, trained and saved whole: all whose
   * path ends with one of these.
   */
  modulesToSave?: readonly string[] | null;
  /**
   * The modules that get adapters: names matched at the end of a path, an expression over
   * whole paths, or "all-linear".
   */
  targetModules?: readonly string[] | string | null;
  /** The modules that get none, matched in the same way. */
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

  /** A copy with some fields changed. */
  with(changes: object): this {
    const { peftType: _, ...fields } = this;
    return new (this.constructor as new (options: object) => this)({ ...fields, ...changes });
  }
}

/** Fields that files of all methods with targets hold. */
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
   * Fields, as on disk, that are always written; others only where they differ from the default.
   */
  readonly classic: readonly string[];
  /** Fields that Python holds as floats. */
  readonly floats: readonly string[];
  /** Fields that hold a configuration of their own, whose keys are written in the same way. */
  readonly nested?: readonly string[];
  /** Fields that files spell as code does. */
  readonly verbatim?: readonly string[];
  /**
   * Fields of PEFT that change what an adapter computes and are not supported, with
   * the value that is accepted.
   */
  readonly refused: Readonly<Record<string, unknown>>;
  /** Fields of PEFT without effect on a trained adapter, with their default. */
  readonly ignored: Readonly<Record<string, unknown>>;
  /** Returns a note about a file for the user, from its fields; null for none. */
  note?(fields: Readonly<Record<string, unknown>>): Warning | null;
}

/** Returns true if two JSON values are the same. */
export function sameValue(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
