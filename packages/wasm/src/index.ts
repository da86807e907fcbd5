export { type KernelCode, kernel, type Scratch, type WasmKernel, type WasmTensor } from "./kernel.ts";
export type { Kernels } from "./kernelTypes.gen.ts";
export { type WasmBackend, type WasmOptions, wasm } from "./wasm.ts";
