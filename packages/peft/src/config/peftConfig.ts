import type { Warning } from "./warning.ts";

/** The base model's task. It determines which heads (such as a classifier) are trained and saved with an adapter. */
export type TaskType = "SEQ_CLS" | "SEQ_2_SEQ_LM" | "CAUSAL_LM" | "TOKEN_CLS" | "QUESTION_ANS" | "FEATURE_EXTRACTION";

/** Ranges of a model's layers [start, end), which are stacked one after the other. */
export type LayerRanges = readonly (readonly [start: number, end: number])[];

/** Options that every method's configuration has. */
export interface PeftOptions {
  taskType?: TaskType | null;
  /** The base model's name or path, to be recorded in adapter_config.json and the model card. */
  baseModelNameOrPath?: string | null;
  /** The base model's revision (branch, tag or commit), to be recorded in adapter_config.json. */
  revision?: string | null;
  /**
   * Names of modules that are trained and saved in full with the adapter. A module of the base model is selected if its
   * path ends with one of these names.
   */
  modulesToSave?: readonly string[] | null;
  /**
   * The modules to adapt: names matched at the end of a path, a regular expression for the whole path, or "all-linear".
   */
  targetModules?: readonly string[] | string | null;
  /** Modules to exclude from `targetModules`, matched in the same way. */
  excludeModules?: readonly string[] | string | null;
}

/** The configuration of a method, with Hugging Face PEFT's names and defaults. */
export abstract class PeftConfig {
  readonly peftType: string;
  readonly taskType: TaskType | null = null;
  readonly baseModelNameOrPath: string | null = null;
  readonly revision: string | null = null;
  readonly modulesToSave: readonly string[] | null = null;
  readonly targetModules: readonly string[] | string | null = null;
  readonly excludeModules: readonly string[] | string | null = null;

  constructor(peftType: string, options: PeftOptions) {
    this.peftType = peftType;
    fillFields(this, options);
  }

  /** Returns a copy with some fields changed. */
  with(changes: object): this {
    const { peftType: _, ...fields } = this;
    return new (this.constructor as new (options: object) => this)({ ...fields, ...changes });
  }
}

/** Fields that `fillFields` skips, since the base classes set them. */
const ofBase = ["peftType", "layersPattern"];

/** Sets each field of a configuration to the option of the same name, unless that is undefined or null. */
export function fillFields(config: PeftConfig, options: object): void {
  for (const key of Object.keys(config)) {
    const value: unknown = Reflect.get(options, key) ?? null;
    if (value !== null && !ofBase.includes(key)) Reflect.set(config, key, value);
  }
}

/** Fields, in snake_case, that adapter_config.json contains for every method that adapts individual modules. */
export const peftFields: readonly string[] = [
  "base_model_name_or_path",
  "modules_to_save",
  "revision",
  "target_modules",
  "task_type",
];

/** Rules for reading and writing a method's configuration in adapter_config.json. */
export interface ConfigFormat {
  /** Fields, in snake_case, that are always written. Other fields are written only if they differ from the default. */
  readonly classic: readonly string[];
  /** Fields that are floats in Python, so that 1 is written as 1.0. */
  readonly floats: readonly string[];
  /** Fields whose value is an object with options. Its keys are also converted between camelCase and snake_case. */
  readonly nested?: readonly string[];
  /** Names in files that are not in snake case, by their names in code: `{ numB: "num_B" }`. */
  readonly spelling?: Readonly<Record<string, string>>;
  /** Fields whose names are the same in files and in code, without conversion to snake_case. */
  readonly verbatim?: readonly string[];
  /**
   * Unsupported PEFT fields that would change an adapter's output, with the only value that is accepted when reading.
   */
  readonly refused: Readonly<Record<string, unknown>>;
  /**
   * PEFT fields that do not affect a trained adapter, with their defaults. Another value in a file only causes a
   * warning.
   */
  readonly ignored: Readonly<Record<string, unknown>>;
  /** Returns a warning if the fields of the file that is being read require one, otherwise null. */
  note?(fields: Readonly<Record<string, unknown>>): Warning | null;
}

/** Returns true if two values have the same JSON. */
export function sameValue(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
