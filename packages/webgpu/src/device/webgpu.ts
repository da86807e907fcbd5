import type { Backend } from "@lowrank/core/backend";
import { checkOptions, type OptionKeys } from "@lowrank/core/functions";
import type { Adapter, Device } from "../kernel/gpuTypes.ts";
import type { WebGpuKernel } from "../kernel/kernel.ts";
import type { PoolStats } from "../kernel/pool.ts";
import { onDevice } from "./onDevice.ts";
import { describeAdapter, openDevice } from "./openDevice.ts";
import type { RecorderStats } from "./recorderStats.ts";

/** Options of the WebGPU backend. */
export interface WebGpuOptions {
  /** A device of yours, which `dispose` leaves alone. Default: one with all the adapter has. */
  device?: Device;
  /** The adapter to ask for the device; it serves one. Default: that of `requestAdapter`. */
  adapter?: Adapter;
  /** The adapter to ask for, where there are several. Default: the system's choice. */
  powerPreference?: "low-power" | "high-performance";
  /**
   * Makes the bits of a row of a result independent of the rows it is computed with, so that a
   * sequence has the same tokens alone and in any batch; default false. It is tried on the adapter,
   * and throws an `UnavailableError` where that does not keep it. docs/design/batchInvariance.md
   */
  batchInvariant?: boolean;
  /**
   * Lets kernels add up and compare by operations of subgroups, where the device has them. Default:
   * if they give known numbers on the adapter; true does without that trial. In the batch-invariant
   * mode subgroups must also have one size alone.
   */
  subgroups?: boolean;
  /** Kernels for ops of your own, made with `kernel`; they join those of this package. */
  kernels?: readonly WebGpuKernel[];
}

/** The WebGPU backend, with facts about its adapter and memory. */
export interface WebGpuBackend extends Backend {
  /** The adapter's name, for people. */
  readonly adapter: string;
  /** True if the adapter is the processor itself. */
  readonly software: boolean;
  readonly batchInvariant: boolean;
  /** True if kernels use operations of subgroups. */
  readonly subgroups: boolean;
  /** The device, for other work on it. */
  readonly device: Device;
  sync(): Promise<void>;
  /** Returns the sizes of the memory on the device, and counts of the work that was asked of it. */
  stats(): PoolStats & RecorderStats;
  /**
   * Compiles the kernels that `fn` would run, side by side: the first step does not wait for each
   * in turn. `fn` is synchronous, and called once. Nothing that it asks for is done, so throw its
   * results away. Fused and quantised kernels are checked on small examples; of one that gives
   * wrong numbers a warning tells, and it is not used.
   */
  warmUp(fn: () => unknown): Promise<void>;
  /** Ends the device; tensors on it are lost. */
  dispose(): void;
}

const webgpuKeys: OptionKeys<WebGpuOptions> = {
  ...({ device: true, adapter: true, powerPreference: true } as const),
  ...({ batchInvariant: true, subgroups: true, kernels: true } as const),
};

/**
 * Starts a backend on a graphics processor: `await init(webgpu())`. Pages and Workers have WebGPU
 * themselves, Node with the npm package `webgpu`. It is deferred: kernels are recorded, and
 * errors arrive at the next read. Throws an `UnavailableError` where there is no adapter.
 */
export async function webgpu(options: WebGpuOptions = {}): Promise<WebGpuBackend> {
  checkOptions("webgpu", options, webgpuKeys);
  const { device, adapter, powerPreference, batchInvariant = false, subgroups, kernels = [] } = options;
  // A page that gives none does without the words of their errors.
  if (Object.keys(options).length > 0) (await import("./expectOptions.ts")).expectOptions(options);
  const opened = device
    ? { device, adapter: describeAdapter(device.adapterInfo) }
    : await openDevice({ powerPreference }, adapter);
  return onDevice(opened, { kernels, batchInvariant, subgroups }, () => {
    if (!device) opened.device.destroy();
  });
}
