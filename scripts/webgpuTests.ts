/** The way to the drivers of Node, which pages must not load. */
const inNode = (): string => "./webgpuDriver.ts";

/** Returns why tests here have no WebGPU adapter, or undefined where they have one. */
async function whyNone(): Promise<string | undefined> {
  if (typeof process !== "undefined" && process.versions?.node) {
    const { whyNoAdapter }: typeof import("./webgpuDriver.ts") = await import(/* @vite-ignore */ inNode());
    return whyNoAdapter();
  }
  const adapter = await navigator.gpu?.requestAdapter();
  return adapter ? undefined : "this browser has no WebGPU adapter";
}

/** The reason why tests of WebGPU are skipped, or undefined. */
export const noWebGpu: string | undefined = await whyNone();

if (noWebGpu !== undefined) console.log(`skipped: tests on WebGPU (${noWebGpu})`);
