export { type PropertyCode, PropertyError, type PropertyFailure } from "./errors/propertyError.ts";
export { mergeEqualsUnmerged } from "./properties/mergeEqualsUnmerged.ts";
export type { PropertyOptions } from "./properties/propertyOptions.ts";
export type { ConfigSubject } from "./properties/withAdapter.ts";
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
