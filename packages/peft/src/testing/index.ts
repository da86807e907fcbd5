// For the repository's own scripts; what is published has no such entry.
export { methodCases } from "./methodCases.ts";
export { TinyModel, type TinyOptions, tinyBatch } from "./tinyModel.ts";
export { torchBin } from "./torchBin.ts";
