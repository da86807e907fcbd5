// WebGPU's types where the program's libraries have them, and `object` elsewhere: declarations of
// this package compile without the DOM, and with versions of it that know no WebGPU.

type OfGlobal<Name extends string> = typeof globalThis extends { readonly [K in Name]: { prototype: infer T } }
  ? T
  : object;

export type Device = OfGlobal<"GPUDevice">;
export type Adapter = OfGlobal<"GPUAdapter">;
export type DeviceBuffer = OfGlobal<"GPUBuffer">;
export type Limits = OfGlobal<"GPUSupportedLimits">;
