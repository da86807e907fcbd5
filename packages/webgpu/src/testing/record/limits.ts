import { byteLength } from "@lowrank/core/backend";
import type { Dispatch } from "../../kernel/shader.ts";

/** The limits of the device of a record. */
export const limits: Readonly<Record<`max${string}`, number>> = {
  maxBufferSize: 2 ** 33,
  maxStorageBufferBindingSize: 2 ** 27,
  maxStorageBuffersPerShaderStage: 10,
  maxComputeWorkgroupsPerDimension: 65535,
  maxComputeInvocationsPerWorkgroup: 256,
  maxComputeWorkgroupStorageSize: 16384,
};

/** Throws if no device with the limits above could run this WGSL. */
export function expectRunnable(name: string, code: string): void {
  const threads = Number(/@workgroup_size\((\d+)\)/.exec(code)?.[1]);
  if (!(threads > 0 && threads <= limits.maxComputeInvocationsPerWorkgroup))
    throw new Error(`${name}: ${threads} threads`);
  const shared = [...code.matchAll(/var<workgroup> \w+: array<[^,]+, (\d+)>/g)].map(([, size]) => 4 * Number(size));
  const memory = shared.reduce((a, b) => a + b, 0);
  if (memory > limits.maxComputeWorkgroupStorageSize) throw new Error(`${name}: ${memory} bytes of workgroup memory`);
}

/** Throws if the device could not run a dispatch. */
export function expectAllowed({ shader, tensors, groups }: Dispatch, most: number): void {
  const fail = (what: string): never => {
    throw new Error(`${shader.name}: ${what}`);
  };
  const least = tensors.some(({ size }) => size === 0) ? 0 : 1;
  if (!groups.every((count) => count >= least && count <= limits.maxComputeWorkgroupsPerDimension)) {
    fail(`workgroups ${groups}`);
  }
  for (const { buffer, window, size, dtype, packing } of tensors) {
    const { offset, bytes } = window ?? { offset: 0, bytes: Math.ceil(buffer.bytes / 4) * 4 };
    if (offset % 256 !== 0) fail(`a binding from byte ${offset}`);
    if (offset + bytes > buffer.slab.bytes) fail(`a binding of bytes ${offset}+${bytes} of ${buffer.slab.bytes}`);
    if (bytes > most) fail(`a binding of ${bytes} bytes`);
    if (bytes < byteLength({ shape: [size], dtype, packing })) fail(`${bytes} bytes for ${size} elements`);
  }
}
