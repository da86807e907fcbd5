export {
  type Gpu,
  type GpuFacts,
  type GpuTensor,
  type KernelCode,
  type KernelFacts,
  type KernelTest,
  kernel,
  type WebGpuKernel,
} from "./kernel.ts";
export type { GpuBlock, PoolStats, Slab } from "./memory/pool.ts";
export type { RecorderStats } from "./record/recorderStats.ts";
export type { Example, ExampleInput, ExampleOf } from "./selfCheck/example.ts";
export { type WebGpuBackend, type WebGpuOptions, webgpu } from "./webgpu.ts";
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
} from "./wgsl/shader.ts";
