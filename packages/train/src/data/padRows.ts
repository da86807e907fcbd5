import type { OptionKeys } from "@lowrank/core/internal";
import type { ModelInputs } from "@lowrank/models";
/** Options for padding examples to the same length. */
export interface CollateOptions {
  /** Id of the token that pads rows on the right. Padding is never a label, even if this token is also EOS. */
  padTokenId: number;
  /** Rounds the padded length up to a multiple of this number. Default: 1. */
  padToMultipleOf?: number;
  /**
   * Maximum number of tokens of an example. Longer examples are truncated at the end, and counted in the batch's
   * `truncatedExamples`. Default: no limit.
   */
  maxLength?: number;
}

/** Names of all options of `CollateOptions`. */
export const collateKeys: OptionKeys<CollateOptions> = { padTokenId: true, padToMultipleOf: true, maxLength: true };

/** Token ids padded to the same length. Arrays are row-major [batchSize, length]. */
export interface Rows {
  inputIds: Int32Array;
  /** 1 at tokens, 0 at padding. */
  attentionMask: Uint8Array;
  batchSize: number;
  length: number;
  /** The adapter that each row uses. Absent if the examples do not name adapters. */
  adapterNames?: readonly string[];
  /** The task of each row. Absent if the examples have no tasks. */
  taskIds?: readonly number[];
  /** The type of each token, 0 at padding. Absent if the examples lack types. */
  inputTypeMask?: Int32Array;
  /** Number of examples that were longer than `maxLength` and truncated. */
  truncatedExamples: number;
  /** Total number of tokens that truncation removed. */
  truncatedTokens: number;
  /** Creates additional model inputs, such as positions of packed documents, on the current backend. */
  furtherInputs?: () => Pick<ModelInputs, "positionIds" | "maxPosition" | "cache">;
}

/** Fields that examples of all kinds have. */
export interface Row {
  inputIds: number[];
  /** Name of the adapter that this example trains, if a `PeftModel` has several. Default: the active adapter. */
  adapterName?: string;
  /** The example's task, for multitask prompt tuning and Poly. Default: none. */
  taskId?: number;
  /** The type of each token, for CPT. As many as `inputIds`. Default: none. */
  inputTypeMask?: readonly number[];
}

/**
 * Pads examples on the right to the length of the longest one. Throws if only some examples name an adapter, or only
 * some have a task or types.
 */
export function padRows(examples: readonly Row[], options: CollateOptions): Rows {
  const { padTokenId, padToMultipleOf = 1, maxLength = Number.MAX_SAFE_INTEGER } = options;
  if (examples.length === 0) throw new Error("collate: there are no examples");
  for (const [name, value] of Object.entries({ padToMultipleOf, maxLength })) {
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new Error(`collate: ${name} is ${value}; expected a whole number of at least 1`);
    }
  }
  const sizes = examples.map(({ inputIds }) => Math.min(inputIds.length, maxLength));
  const length = Math.ceil(Math.max(...sizes) / padToMultipleOf) * padToMultipleOf;
  const batchSize = examples.length;
  const inputIds = new Int32Array(batchSize * length).fill(padTokenId);
  const attentionMask = new Uint8Array(batchSize * length);
  let truncatedExamples = 0;
  let truncatedTokens = 0;
  for (const [row, example] of examples.entries()) {
    const size = sizes[row];
    inputIds.set(example.inputIds.slice(0, size), row * length);
    attentionMask.fill(1, row * length, row * length + size);
    truncatedTokens += example.inputIds.length - size;
    if (example.inputIds.length > size) truncatedExamples++;
  }
  const adapterNames = ofAll(examples, "adapterName", "an");
  const taskIds = ofAll(examples, "taskId", "a");
  const inputTypeMask = ofAll(examples, "inputTypeMask", "an")?.length ? new Int32Array(batchSize * length) : null;
  for (const [row, example] of inputTypeMask ? examples.entries() : []) {
    const types = example.inputTypeMask as readonly number[];
    checkTypes(`collate: example ${row}`, types, example.inputIds.length);
    inputTypeMask?.set(types.slice(0, sizes[row]), row * length);
  }
  return {
    ...{ inputIds, attentionMask, batchSize, length, truncatedExamples, truncatedTokens },
    ...(adapterNames && { adapterNames }),
    ...(taskIds && { taskIds }),
    ...(inputTypeMask && { inputTypeMask }),
  };
}

/** Throws unless there is one integer for each token. `what` begins the message. */
export function checkTypes(what: string, types: readonly number[], tokens: number): void {
  if (types.length !== tokens) {
    throw new Error(`${what} has ${tokens} tokens and ${types.length} types; expected as many types as tokens`);
  }
  const other = types.find((type) => !Number.isSafeInteger(type));
  if (other !== undefined) throw new Error(`${what} has the type ${other}; expected integers`);
}

/** Returns a field of all examples; undefined if none has it. Throws if only some have it. */
function ofAll<Name extends "adapterName" | "taskId" | "inputTypeMask">(
  examples: readonly Row[],
  name: Name,
  article: string,
): NonNullable<Row[Name]>[] | undefined {
  const values = examples.map((example) => example[name]).filter((value) => value !== undefined);
  if (values.length === 0) return undefined;
  if (values.length === examples.length) return values as NonNullable<Row[Name]>[];
  const other = examples.findIndex((example) => example[name] === undefined);
  throw new Error(
    `collate: only some examples have ${article} ${name}, example ${other} has none; give all examples ${article} ${name}, or none`,
  );
}
