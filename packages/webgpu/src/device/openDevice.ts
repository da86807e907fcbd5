import { UnavailableError } from "@lowrank/core/functions";
import { findGpu } from "./findGpu.ts";

/** A device, and what is known of the adapter behind it. */
export interface OpenedDevice {
  readonly device: GPUDevice;
  readonly adapter: AdapterFacts;
}

/** The names of an adapter, and its kind. */
export interface AdapterFacts {
  /** Names for people: "SwiftShader Device (LLVM 16.0.0)". */
  readonly name: string;
  /** Runs on the processor: tiles are not measured on it. */
  readonly software: boolean;
}

/** Limits that are asked for as far as the adapter goes; by default a device has the least. */
const wantedLimits = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupSizeY",
  "maxComputeWorkgroupSizeZ",
  "maxComputeWorkgroupStorageSize",
] as const;

/** Features that kernels may have variants for. */
const wantedFeatures: readonly GPUFeatureName[] = ["shader-f16", "subgroups", "timestamp-query"];

/**
 * Opens a device with all that the adapter offers of what kernels use. An adapter serves one
 * device, so each call asks for a new one. Throws where there is none.
 */
export async function openDevice(options: GPURequestAdapterOptions, given?: GPUAdapter): Promise<OpenedDevice> {
  const adapter = given ?? (await (await findGpu()).requestAdapter(options));
  if (!adapter) {
    throw new UnavailableError(
      "webgpu: no adapter was found: there is no graphics driver that WebGPU can use here",
      "install a driver",
    );
  }
  const requiredLimits = Object.fromEntries(wantedLimits.map((name) => [name, adapter.limits[name]]));
  const requiredFeatures = wantedFeatures.filter((name) => adapter.features.has(name));
  const facts = describeAdapter(adapter.info);
  try {
    return { device: await adapter.requestDevice({ requiredLimits, requiredFeatures }), adapter: facts };
  } catch (error) {
    // One that was handed over may have given its device before.
    if (given) throw error;
    const { message } = error as Error;
    throw new UnavailableError(`webgpu: the adapter ${facts.name} gives no device (${message})`, "try again", {
      cause: error,
    });
  }
}

/** Returns the facts of an adapter from what it says of itself. */
export function describeAdapter(info: Partial<GPUAdapterInfo> = {}): AdapterFacts {
  const { vendor = "", architecture = "", device = "", description = "", isFallbackAdapter = false } = info;
  const name = description || [vendor, architecture, device].filter((word) => word !== "").join(" ") || "unknown";
  return {
    name,
    software: isFallbackAdapter || /swiftshader|llvmpipe|lavapipe|basic render/i.test(`${name} ${architecture}`),
  };
}
