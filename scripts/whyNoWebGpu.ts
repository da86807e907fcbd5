/** The way to the drivers of Node, which pages must not load. */
const inNode = (): string => "./webgpuDriver.ts";

/** Returns why there is no WebGPU adapter in this Node or browser, or undefined. */
export async function whyNoWebGpu(): Promise<string | undefined> {
  if (typeof process !== "undefined" && process.versions?.node) {
    const { whyNoAdapter }: typeof import("./webgpuDriver.ts") = await import(/* @vite-ignore */ inNode());
    return whyNoAdapter();
  }
  const adapter = await navigator.gpu?.requestAdapter();
  return adapter ? undefined : "this browser has no WebGPU adapter";
}
