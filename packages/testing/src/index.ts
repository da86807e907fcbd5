export { type PropertyCode, PropertyError, type PropertyFailure } from "./errors/propertyError.ts";
export { mergeEqualsUnmerged } from "./properties/mergeEqualsUnmerged.ts";
export type { PropertyOptions } from "./properties/propertyOptions.ts";
export type { ConfigSubject } from "./properties/withAdapter.ts";
export { type AdapterValues, setAdapterValues } from "./subjects/adapterValues.ts";
export { buildConfig, type ConfigDescription } from "./subjects/configDescription.ts";
export { defaultInputs, type InputsDescription, type ModelArguments } from "./subjects/inputs.ts";
export { buildModel, type ModelDescription, smallestModel } from "./subjects/modelDescription.ts";
export type { ModelSubject } from "./subjects/subject.ts";
