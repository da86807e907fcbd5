/** Returns the path of the driver module for Node, which pages must not load. */
const inNode = (): string => "./webgpuDriver.ts";

/** Returns the reason why this Node or browser lacks a WebGPU adapter, or undefined if it has one. */
export async function whyNoWebGpu(): Promise<string | undefined> {
  if (typeof process !== "undefined" && process.versions?.node) {
    const { whyNoAdapter }: typeof import("./webgpuDriver.ts") = await import(/* @vite-ignore */ inNode());
    return whyNoAdapter();
  }
  const adapter = await navigator.gpu?.requestAdapter();
  return adapter ? undefined : "this browser has no WebGPU adapter";
}
