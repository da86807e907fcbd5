import type { WebGpuOptions } from "./webgpu.ts";

/**
 * For each option that takes a WebGPU object: the name of a method by which such an object is recognised, and the call
 * that creates one.
 */
const kinds = {
  device: { method: "createShaderModule", call: "await adapter.requestDevice()" },
  adapter: { method: "requestDevice", call: "await navigator.gpu.requestAdapter()" },
};

const preferences: readonly unknown[] = ["low-power", "high-performance"];

/** Throws if an option of `webgpu` has an invalid value, such as a promise of a device. */
export function expectOptions({ device, adapter, powerPreference, kernels, ...switches }: WebGpuOptions): void {
  expectGiven("device", device);
  expectGiven("adapter", adapter);
  if (powerPreference !== undefined && !preferences.includes(powerPreference)) {
    throw refused("powerPreference", powerPreference, preferences.join(" or "));
  }
  for (const [name, given] of Object.entries(switches)) {
    if (given !== undefined && typeof given !== "boolean") throw refused(name, given, "true or false");
  }
  if (kernels !== undefined) expectKernels(kernels);
}

function expectGiven(kind: keyof typeof kinds, given: unknown): void {
  const { method, call } = kinds[kind];
  if (given === undefined || given === null) return;
  if (typeof (given as Record<string, unknown>)[method] === "function") return;
  throw new Error(`webgpu: the option ${kind} is ${shown(given)}; give what ${call} returns, or leave it out`);
}

function expectKernels(kernels: unknown): void {
  if (!Array.isArray(kernels)) throw refused("kernels", kernels, "a list of kernels");
  for (const one of kernels) {
    if (typeof one?.op === "string" && typeof one.run === "function") continue;
    throw new Error(
      `webgpu: the option kernels contains ${shown(one)}; expected results of kernel("name of an op", ...)`,
    );
  }
}

function refused(name: string, given: unknown, wanted: string): Error {
  return new Error(`webgpu: ${name} is ${shown(given)}; give ${wanted}, or leave it out`);
}

function shown(value: unknown): string {
  return value instanceof Promise ? "a promise" : String(value);
}
