import { UnavailableError } from "@lowrank/core/functions";

/** The exports of the npm package `webgpu` (Dawn for Node) that are used here. */
interface Dawn {
  create(flags: string[]): GPU;
}

/** Dawn's `GPU` object, kept until the process ends: its devices crash if it is garbage-collected before them. */
let dawn: GPU | undefined;

/** Returns the package's name at run time, so that bundlers for web pages do not resolve it. */
const packageName = (): string => "webgpu";

/**
 * Returns the `GPU` object: `navigator.gpu` of the page or Worker, or else the one from the npm package `webgpu`.
 * Throws if neither exists.
 */
export async function findGpu(): Promise<GPU> {
  const own = (globalThis.navigator as { gpu?: GPU } | undefined)?.gpu;
  if (own) return own;
  dawn ??= (await importDawn()).create([]);
  return dawn;
}

async function importDawn(): Promise<Dawn> {
  if (typeof process === "undefined" || !process.versions?.node) {
    throw new UnavailableError(
      "webgpu: WebGPU is not available on this page (navigator.gpu is missing)",
      "serve the page by https or from localhost, to a browser with WebGPU",
    );
  }
  try {
    return (await import(/* @vite-ignore */ /* webpackIgnore: true */ packageName())) as Dawn;
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    const absent = code === "ERR_MODULE_NOT_FOUND";
    throw new UnavailableError(
      absent
        ? "webgpu: Node has no built-in WebGPU, and the npm package webgpu is not installed"
        : `webgpu: the npm package webgpu cannot be loaded (${message})`,
      absent ? "npm install webgpu" : "install it again",
      { cause: error },
    );
  }
}

/** An opened device, with the name and kind of its adapter. */
export interface OpenedDevice {
  readonly device: GPUDevice;
  readonly adapter: AdapterFacts;
}

/** Name and kind of an adapter. */
export interface AdapterFacts {
  /** Human-readable name, such as "SwiftShader Device (LLVM 16.0.0)". */
  readonly name: string;
  /**
   * True if the adapter runs on the CPU. The tiles (blocks of results per workgroup) of matrix products are then fixed
   * instead of chosen by timing.
   */
  readonly software: boolean;
}

/**
 * Limits to request at the adapter's maximum. Without a request, a device gets WebGPU's default limits, which are low.
 */
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

/** Features that some kernels have variants for. */
const wantedFeatures: readonly GPUFeatureName[] = ["shader-f16", "subgroups", "timestamp-query"];

/**
 * Opens a device with every feature of the adapter that kernels use, and with the adapter's maximum for every limit
 * that matters to kernels. The adapter is `given` or, by default, requested at each call, since an adapter creates only
 * one device. Throws `UnavailableError` if no adapter is found, or if the requested one creates no device.
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
    // An adapter that the caller passed in may have created its device before.
    if (given) throw error;
    const { message } = error as Error;
    throw new UnavailableError(
      `webgpu: requestDevice failed on the GPU adapter ${facts.name} (${message})`,
      "try again",
      {
        cause: error,
      },
    );
  }
}

/** Returns an adapter's facts from its `GPUAdapterInfo`. */
export function describeAdapter(info: Partial<GPUAdapterInfo> = {}): AdapterFacts {
  const { vendor = "", architecture = "", device = "", description = "", isFallbackAdapter = false } = info;
  const name = description || [vendor, architecture, device].filter((word) => word !== "").join(" ") || "unknown";
  return {
    name,
    software: isFallbackAdapter || /swiftshader|llvmpipe|lavapipe|basic render/i.test(`${name} ${architecture}`),
  };
}
