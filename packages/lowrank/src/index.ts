// The public API of all packages in one import.
export * from "@lowrank/core";
export * from "@lowrank/files";
export * from "@lowrank/models";
export * from "@lowrank/nn";
export * from "@lowrank/peft";
export * from "@lowrank/train";
export { type WasmBackend, type WasmOptions, wasm } from "@lowrank/wasm";
export { loadModel } from "./loadModel.ts";
export { loadSequenceClassifier } from "./loadSequenceClassifier.ts";
