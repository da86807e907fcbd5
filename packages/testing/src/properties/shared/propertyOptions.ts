import type { OptionKeys } from "@lowrank/core/internal";
import type { AdapterValues } from "../../subjects/adapterValues.ts";
import type { ModelArguments } from "../../subjects/inputs.ts";

/** Options of every property. */
export interface PropertyOptions {
  /**
   * A description of random token ids, or the arguments of the model's `forward`. Default: 3 sequences of 4 tokens.
   * Modules that are no language models of @lowrank/models have no default.
   */
  inputs?: ModelArguments;
  /** Values of the adapter. Default: normal values with seed 0. */
  values?: AdapterValues;
}

/** Names of all options of `PropertyOptions`. */
export const propertyKeys: OptionKeys<PropertyOptions> = { inputs: true, values: true };

/** The adapter values that the properties use if none are given. */
export const defaultValues: AdapterValues = { kind: "normal", seed: 0 };
