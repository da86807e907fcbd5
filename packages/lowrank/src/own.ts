// Exports of "lowrank" that its packages do not have, or have with other parameters. index.gen.ts adds the packages'
// names.
export { type WasmBackend, type WasmOptions, wasm } from "@lowrank/wasm";
export { loadEncoder } from "./load/loadEncoder.ts";
export { loadModel } from "./load/loadModel.ts";
export { loadSequenceClassifier } from "./load/loadSequenceClassifier.ts";
export { loadTokenClassifier } from "./load/loadTokenClassifier.ts";
