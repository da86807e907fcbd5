// The entry "lowrank/report": comparisons of methods as data, as text and as pictures.

export type { ComparedModel } from "./report/comparison/comparedModel.ts";
export { type CompareMethodsOptions, compareMethods } from "./report/comparison/compareMethods.ts";
export {
  comparisonColumns,
  sortComparison,
  toCsv,
  toJson,
  toMarkdown,
  toText,
} from "./report/comparison/comparisonText.ts";
export type {
  ComparedConfig,
  ComparedMethod,
  ComparedQuantization,
  FailedMethod,
  MethodComparison,
  MethodRow,
  NamedMethod,
  Quality,
  QuantizationType,
  SharedSettings,
  Targets,
} from "./report/comparison/methodComparison.ts";
export { type ParetoCost, paretoFront } from "./report/comparison/paretoFront.ts";
export { type SweepMethodsOptions, type SweepTrial, sweepMethods } from "./report/comparison/sweepMethods.ts";
export { toHtml } from "./report/pictures/toHtml.ts";
export {
  type ComparisonChart,
  toVegaLite,
  type VegaLiteOptions,
  type VegaLiteSpec,
} from "./report/pictures/toVegaLite.ts";
