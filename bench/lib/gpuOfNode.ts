import { create, globals } from "webgpu";
import { whyNoAdapter } from "../../scripts/webgpuDriver.ts";

/** Dawn's entry: it must outlive its devices. */
let entry: GPU | undefined;

/**
 * Gives Node a `navigator.gpu`, as pages have it, on which all libraries of this process work.
 * Returns why there is none, or undefined.
 */
export async function provideGpu(): Promise<string | undefined> {
  const reason = await whyNoAdapter();
  if (reason !== undefined) return reason;
  Object.assign(globalThis, globals);
  entry ??= create([]);
  Object.defineProperty(globalThis.navigator, "gpu", { value: entry, configurable: true });
  return undefined;
}
