import type { Backend } from "@lowrank/core/backend";
import { checkOptions } from "@lowrank/core/internal";
import type { Adapter, Device } from "../kernel/gpuTypes.ts";
import type { WebGpuKernel } from "../kernel/kernel.ts";
import type { PoolStats } from "../kernel/pool.ts";
import { onDevice } from "./onDevice.ts";
import { describeAdapter, openDevice } from "./openDevice.ts";
import type { RecorderStats } from "./recorderStats.ts";

/** Options of the WebGPU backend. */
export interface WebGpuOptions {
  /** Your own device, which `dispose` does not destroy. Default: a new one with all limits of the adapter. */
  device?: Device;
  /** Your own adapter, which can create one device. Default: the result of `requestAdapter`. */
  adapter?: Adapter;
  /** The kind of adapter to request if the machine has several. Default: the system's choice. */
  powerPreference?: "low-power" | "high-performance";
  /**
   * Makes each row of a result independent of the other rows in its batch, to the bit: a sequence gets the same tokens
   * alone and in any batch. Default: false. The adapter is tested first: `webgpu` throws an `UnavailableError` if the
   * bits of a row depend on other rows. See docs/design/batchInvariance.md.
   */
  batchInvariant?: boolean;
  /**
   * Allows kernels to use subgroup operations for sums and comparisons, if the device has them. Default: they are used
   * only if a trial on the adapter gives the right results. If true, there is no trial. In batch-invariant mode all
   * subgroups of the device must also have the same size.
   */
  subgroups?: boolean;
  /** Kernels for custom ops, made with `kernel`, in addition to the kernels of this package. */
  kernels?: readonly WebGpuKernel[];
}

/** The WebGPU backend, with properties of its adapter and statistics. */
export interface WebGpuBackend extends Backend {
  /** The adapter's human-readable name. */
  readonly adapter: string;
  /** True if the adapter runs on the CPU. */
  readonly software: boolean;
  readonly batchInvariant: boolean;
  /** True if kernels use subgroup operations (sums and maxima across the threads of a subgroup). */
  readonly subgroups: boolean;
  /** The backend's device, on which you can also run your own commands. */
  readonly device: Device;
  sync(): Promise<void>;
  /** Returns the bytes of memory that the backend uses on the device, and counts of the work that it submitted. */
  stats(): PoolStats & RecorderStats;
  /**
   * Compiles the kernels that `fn` would run, in parallel, so that the first step does not wait for each in turn. `fn`
   * must be synchronous, and is called once. Its operations do not run on the device, so discard its results. Also
   * checks fused and quantised kernels on small examples. A kernel with wrong results is disabled with a warning.
   */
  warmUp(fn: () => unknown): Promise<void>;
  /** Destroys the device and its tensors. A device that you passed in is not destroyed. */
  dispose(): void;
}

/**
 * Starts a backend on a graphics processor: `await init(webgpu())`. Pages and Workers have WebGPU built in; Node needs
 * the npm package `webgpu`. Execution is deferred: kernels are recorded, and errors are thrown by the next read. Throws
 * an `UnavailableError` if there is no adapter.
 */
export async function webgpu(options: WebGpuOptions = {}): Promise<WebGpuBackend> {
  checkOptions("webgpu", options, {
    ...({ device: true, adapter: true, powerPreference: true } as const),
    ...({ batchInvariant: true, subgroups: true, kernels: true } as const),
  });
  const { device, adapter, powerPreference, batchInvariant = false, subgroups, kernels = [] } = options;
  // Loaded only if options are given, so that pages without options do not download it.
  if (Object.keys(options).length > 0) (await import("./expectOptions.ts")).expectOptions(options);
  const opened = device
    ? { device, adapter: describeAdapter(device.adapterInfo) }
    : await openDevice({ powerPreference }, adapter);
  return onDevice(opened, { kernels, batchInvariant, subgroups }, () => {
    if (!device) opened.device.destroy();
  });
}
