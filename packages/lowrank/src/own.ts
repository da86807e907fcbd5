// Exports of "lowrank" that its packages do not have, or have with other parameters. index.gen.ts adds the packages'
// names.
export { type WasmBackend, type WasmOptions, wasm } from "@lowrank/wasm";
export { loadEncoder, loadModel, loadSequenceClassifier, loadTokenClassifier } from "./load/loadModel.ts";
