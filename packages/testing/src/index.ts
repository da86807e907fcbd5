export { type CheckMethodOptions, checkMethod, type MethodCheck, methodNames } from "./checking/checkMethod.ts";
export { type PropertyCode, PropertyError, type PropertyFailure } from "./errors/propertyError.ts";
export { UnfitError } from "./errors/unfitError.ts";
export type { MatcherResult } from "./matchers/matcher.ts";
export { type LowrankMatchers, lowrankMatchers, type Matcher, type NestedValues } from "./matchers/matchers.ts";
export type { AnsweringModel, AnswerMatcherOptions } from "./matchers/toAnswer.ts";
export type { CloseToTensorOptions } from "./matchers/toBeCloseToTensor.ts";
export type { EqualMergedOptions } from "./matchers/toEqualMerged.ts";
export type { ForgettingOptions } from "./matchers/toForgetLessThan.ts";
export type { SameTokensOptions } from "./matchers/toGenerateSameTokens.ts";
export { configIsApplied } from "./properties/config/configIsApplied.ts";
export { type Exemption, exemptionOf, exemptions } from "./properties/exemptions.ts";
export { gradientsMatchDifferences } from "./properties/gradientsMatchDifferences.ts";
export { mergeEqualsUnmerged } from "./properties/mergeEqualsUnmerged.ts";
export { mixedBatchEqualsSingleRows } from "./properties/mixedBatchEqualsSingleRows.ts";
export { onlyAdaptersGetGradients } from "./properties/onlyAdaptersGetGradients.ts";
export { type Property, type PropertyName, properties } from "./properties/properties.ts";
export { requantizedMergeWithinBound } from "./properties/requantizedMergeWithinBound.ts";
export { rowsAreIndependent } from "./properties/rowsAreIndependent.ts";
export { savesAndLoads } from "./properties/savesAndLoads.ts";
export type { PropertyOptions } from "./properties/shared/propertyOptions.ts";
export type { ConfigSubject } from "./properties/shared/withAdapter.ts";
export { startsAsIdentity } from "./properties/startsAsIdentity.ts";
export { switchingLeavesNoTrace } from "./properties/switchingLeavesNoTrace.ts";
export { unmergeRestoresBase } from "./properties/unmergeRestoresBase.ts";
export { weightedSumIsLinear } from "./properties/weightedSumIsLinear.ts";
export { type AdapterValues, setAdapterValues } from "./subjects/adapterValues.ts";
export { buildConfig, type ConfigDescription } from "./subjects/configDescription.ts";
export { defaultInputs, type InputsDescription, type ModelArguments } from "./subjects/inputs.ts";
export { buildModel, type ModelDescription, smallestModel } from "./subjects/modelDescription.ts";
export type { ModelSubject } from "./subjects/subject.ts";
export { type RunSuiteOptions, runSuite } from "./suite/runSuite.ts";
export { parseSuite } from "./suite/shared/parseSuite.ts";
export type {
  AdapterRequirements,
  AnswerOptions,
  ComparisonOptions,
  DriftLimits,
  Expectation,
  ForgettingLimits,
  HeldOutLimits,
  MaskCheck,
  MaskTests,
  PromptTest,
  Suite,
  TextSource,
} from "./suite/shared/suite.ts";
export { SuiteError } from "./suite/shared/suiteError.ts";
export type {
  CheckGroup,
  MaskedExample,
  MaskedPart,
  SuiteAnswer,
  SuiteCheck,
  SuiteDifference,
  SuiteMeasures,
  SuiteReport,
} from "./suite/shared/suiteReport.ts";
export { toJUnit } from "./suite/toJUnit.ts";
