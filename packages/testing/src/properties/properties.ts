import type { ModelSubject } from "../subjects/subject.ts";
import { configIsApplied } from "./config/configIsApplied.ts";
import { gradientsMatchDifferences } from "./gradientsMatchDifferences.ts";
import { mergeEqualsUnmerged } from "./mergeEqualsUnmerged.ts";
import { mixedBatchEqualsSingleRows } from "./mixedBatchEqualsSingleRows.ts";
import { onlyAdaptersGetGradients } from "./onlyAdaptersGetGradients.ts";
import { requantizedMergeWithinBound } from "./requantizedMergeWithinBound.ts";
import { rowsAreIndependent } from "./rowsAreIndependent.ts";
import { savesAndLoads } from "./savesAndLoads.ts";
import type { PropertyOptions } from "./shared/propertyOptions.ts";
import type { ConfigSubject } from "./shared/withAdapter.ts";
import { startsAsIdentity } from "./startsAsIdentity.ts";
import { switchingLeavesNoTrace } from "./switchingLeavesNoTrace.ts";
import { unmergeRestoresBase } from "./unmergeRestoresBase.ts";
import { weightedSumIsLinear } from "./weightedSumIsLinear.ts";

/**
 * A property. Throws `PropertyError` if it does not hold for a configuration on a model. Throws an error named
 * `UnfitError` if the adapter or the inputs do not fit the model.
 */
export type Property = (model: ModelSubject, config: ConfigSubject, options?: PropertyOptions) => Promise<void>;

/** Name of a property. */
export type PropertyName =
  | "mergeEqualsUnmerged"
  | "unmergeRestoresBase"
  | "startsAsIdentity"
  | "savesAndLoads"
  | "switchingLeavesNoTrace"
  | "onlyAdaptersGetGradients"
  | "gradientsMatchDifferences"
  | "mixedBatchEqualsSingleRows"
  | "rowsAreIndependent"
  | "weightedSumIsLinear"
  | "requantizedMergeWithinBound"
  | "configIsApplied";

/**
 * All properties by name, in the order in which `checkMethod` runs them.
 *
 * @example
 * ```ts
 * for (const [name, check] of Object.entries(properties)) test(name, () => check(smallestModel, config));
 * ```
 */
export const properties: Readonly<Record<PropertyName, Property>> = {
  mergeEqualsUnmerged,
  unmergeRestoresBase,
  startsAsIdentity,
  savesAndLoads,
  switchingLeavesNoTrace,
  onlyAdaptersGetGradients,
  gradientsMatchDifferences,
  mixedBatchEqualsSingleRows,
  rowsAreIndependent,
  weightedSumIsLinear,
  requantizedMergeWithinBound,
  configIsApplied,
};
