// WebGPU's flags as numeric constants, since Node does not define their globals.

/** Bits of `GPUBufferUsage`. */
export const usage = { mapRead: 1, copySrc: 4, copyDst: 8, uniform: 64, storage: 128 } as const;

/** GPUShaderStage.COMPUTE. */
export const computeStage = 4;

/** GPUMapMode.READ. */
export const mapRead = 1;
