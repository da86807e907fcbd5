export { type KernelCode, kernel, type Scratch, type WasmKernel, type WasmTensor } from "./kernels/kernel.ts";
export type { Kernels } from "./kernels/kernelTypes.gen.ts";
export { type WasmBackend, type WasmOptions, wasm } from "./wasm.ts";
