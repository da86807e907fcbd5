// The entry "@lowrank/testing/fast-check": arbitraries for fast-check, which is an optional peer dependency.
export { arbitraryConfig } from "./arbitraries/arbitraryConfig.ts";
export {
  type ArbitraryInputsOptions,
  arbitraryAdapterValues,
  arbitraryInputs,
} from "./arbitraries/arbitraryInputs.ts";
export { type ArbitraryModelOptions, arbitraryModel } from "./arbitraries/arbitraryModel.ts";
