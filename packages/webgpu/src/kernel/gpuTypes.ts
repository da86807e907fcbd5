// WebGPU's types if the program's libraries declare them, and `object` otherwise. So the declarations of this package
// compile without the DOM library, and with versions of it that lack WebGPU.

type OfGlobal<Name extends string> = typeof globalThis extends { readonly [K in Name]: { prototype: infer T } }
  ? T
  : object;

export type Device = OfGlobal<"GPUDevice">;
export type Adapter = OfGlobal<"GPUAdapter">;
export type DeviceBuffer = OfGlobal<"GPUBuffer">;
export type Limits = OfGlobal<"GPUSupportedLimits">;

// WebGPU's flags as numeric constants, since Node does not define their globals.

/** Bits of `GPUBufferUsage`. */
export const usage = { mapRead: 1, copySrc: 4, copyDst: 8, uniform: 64, storage: 128 } as const;

/** GPUShaderStage.COMPUTE. */
export const computeStage = 4;

/** GPUMapMode.READ. */
export const mapRead = 1;
