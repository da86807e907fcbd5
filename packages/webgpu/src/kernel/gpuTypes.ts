// WebGPU's types if the program's libraries declare them, and `object` otherwise. So the declarations of this package
// compile without the DOM library, and with versions of it that lack WebGPU.

type OfGlobal<Name extends string> = typeof globalThis extends { readonly [K in Name]: { prototype: infer T } }
  ? T
  : object;

export type Device = OfGlobal<"GPUDevice">;
export type Adapter = OfGlobal<"GPUAdapter">;
export type DeviceBuffer = OfGlobal<"GPUBuffer">;
export type Limits = OfGlobal<"GPUSupportedLimits">;
