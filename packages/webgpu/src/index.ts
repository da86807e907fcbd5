export type { RecorderStats } from "./device/recorderStats.ts";
export { type WebGpuBackend, type WebGpuOptions, webgpu } from "./device/webgpu.ts";
export {
  type Example,
  type ExampleInput,
  type ExampleOf,
  type Gpu,
  type GpuFacts,
  type GpuTensor,
  type KernelCode,
  type KernelFacts,
  type KernelTest,
  kernel,
  type WebGpuKernel,
} from "./kernel/kernel.ts";
export type { GpuBlock, PoolStats, Slab } from "./kernel/pool.ts";
export {
  type Dispatch,
  entry,
  type Groups,
  type Scalar,
  type Shader,
  type ShaderParts,
  shader,
  spread,
  variants,
} from "./kernel/shader.ts";
