/** The part of npm `webgpu` that is used here. */
interface Dawn {
  create(flags: string[]): GPU;
}

/**
 * Dawn's entry, held for the life of the process: its devices crash when it is collected
 * before them.
 */
let dawn: GPU | undefined;

/** Returns the package's name so that bundlers of pages do not look for it. */
const packageName = (): string => "webgpu";

/**
 * Returns the entry to WebGPU: the page's or Worker's own, else that of npm `webgpu`.
 * Throws where there is neither.
 */
export async function findGpu(): Promise<GPU> {
  const own = (globalThis.navigator as { gpu?: GPU } | undefined)?.gpu;
  if (own) return own;
  dawn ??= (await importDawn()).create([]);
  return dawn;
}

async function importDawn(): Promise<Dawn> {
  if (typeof process === "undefined" || !process.versions?.node) {
    throw new Error(
      "webgpu: this browser has no WebGPU (navigator.gpu is missing; it needs https or localhost); use wasm() instead",
    );
  }
  try {
    return (await import(/* @vite-ignore */ /* webpackIgnore: true */ packageName())) as Dawn;
  } catch (error) {
    throw new Error("webgpu: Node has no WebGPU of its own; install the npm package `webgpu`, or use wasm() instead", {
      cause: error,
    });
  }
}
