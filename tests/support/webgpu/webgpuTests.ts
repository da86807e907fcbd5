import { whyNoWebGpu } from "./whyNoWebGpu.ts";

/** The reason why tests of WebGPU are skipped, or undefined. */
export const noWebGpu: string | undefined = await whyNoWebGpu();

if (noWebGpu !== undefined) console.log(`skipped: tests on WebGPU (${noWebGpu})`);
