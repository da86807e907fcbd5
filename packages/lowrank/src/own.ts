// The names of "lowrank" that no package has, or has in another form.
export { type WasmBackend, type WasmOptions, wasm } from "@lowrank/wasm";
export { loadEncoder } from "./load/loadEncoder.ts";
export { loadModel } from "./load/loadModel.ts";
export { loadSequenceClassifier } from "./load/loadSequenceClassifier.ts";
export { loadTokenClassifier } from "./load/loadTokenClassifier.ts";
