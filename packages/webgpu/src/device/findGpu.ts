import { UnavailableError } from "@lowrank/core/functions";

/** The exports of the npm package `webgpu` (Dawn for Node) that are used here. */
interface Dawn {
  create(flags: string[]): GPU;
}

/** Dawn's `GPU` object, kept for the life of the process: its devices crash if it is collected before them. */
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
