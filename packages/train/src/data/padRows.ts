import type { OptionKeys } from "@lowrank/core/internal";
import type { ModelInputs } from "@lowrank/models";
/** Options for padding rows to one length. */
export interface CollateOptions {
  /** Token that pads rows on the right. Padding is never a label, even if the token equals EOS. */
  padTokenId: number;
  /** Rounds the length up to a multiple. Default: 1. */
  padToMultipleOf?: number;
  /** Truncates longer examples at the end, which the batch reports. Default: no limit. */
  maxLength?: number;
}

/** Names of all options of `CollateOptions`. */
export const collateKeys: OptionKeys<CollateOptions> = { padTokenId: true, padToMultipleOf: true, maxLength: true };

/** Token ids padded to one length; arrays are row-major [batchSize, length]. */
export interface Rows {
  inputIds: Int32Array;
  /** 1 on tokens, 0 on padding. */
  attentionMask: Uint8Array;
  batchSize: number;
  length: number;
  /** The adapter of each row, if the examples name adapters. */
  adapterNames?: readonly string[];
  /** Number of examples longer than `maxLength`. */
  truncatedExamples: number;
  /** Number of tokens removed from these examples. */
  truncatedTokens: number;
  /** Creates further model inputs on the current backend. */
  furtherInputs?: () => Pick<ModelInputs, "positionIds" | "maxPosition" | "cache">;
}

/** The fields that all examples have. */
export interface Row {
  inputIds: number[];
  /** Name of the adapter that this example trains, in a `PeftModel` with several. Default: the active adapter. */
  adapterName?: string;
}

/** Pads examples on the right to the length of the longest. Throws if only some of them name an adapter. */
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
  return { inputIds, attentionMask, batchSize, length, ...namesOf(examples), truncatedExamples, truncatedTokens };
}

function namesOf(examples: readonly Row[]): Pick<Rows, "adapterNames"> {
  const adapterNames = examples.flatMap(({ adapterName }) => adapterName ?? []);
  if (adapterNames.length === 0) return {};
  if (adapterNames.length === examples.length) return { adapterNames };
  const other = examples.findIndex(({ adapterName }) => adapterName === undefined);
  throw new Error(`collate: example ${other} names no adapter, and others do; give each an adapterName, or none`);
}
