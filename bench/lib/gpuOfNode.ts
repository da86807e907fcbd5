import { whyNoAdapter } from "@lowrank/test-support/webgpuDriver";
import { create, globals } from "webgpu";

/** Dawn's GPU object, which must outlive its devices. */
let entry: GPU | undefined;

/**
 * Gives Node a `navigator.gpu` as in browsers, for all libraries of this process. Returns the reason if that is not
 * possible, otherwise undefined.
 */
export async function provideGpu(): Promise<string | undefined> {
  const reason = await whyNoAdapter();
  if (reason !== undefined) return reason;
  Object.assign(globalThis, globals);
  entry ??= create([]);
  Object.defineProperty(globalThis.navigator, "gpu", { value: entry, configurable: true });
  return undefined;
}
