import { type Backend, reference } from "@lowrank/core";
import { deferred, primitives } from "@lowrank/core/testing";
import { wasm } from "@lowrank/wasm";
import { webgpu } from "@lowrank/webgpu";
import { whyNoAdapter } from "../webgpuDriver.ts";

/** Starts of backends by name. A text tells why there is none on this machine. */
type Backends = Readonly<Record<string, () => Backend | Promise<Backend | string>>>;

/** Two threads with a grain so small that every kernel call that can be cut is. */
const two = { threads: 2, grain: 1 };

/** The backends of a run without --backend: small models try the differences between the builds. */
export const usualBackends: Backends = {
  reference,
  "wasm relaxed": () => wasm({ build: "relaxed" }),
  "wasm relaxed, two threads": () => wasm({ build: "relaxed", ...two }),
  "wasm simd": () => wasm({ build: "simd" }),
  "wasm simd, two threads": () => wasm({ build: "simd", ...two }),
};

/** Returns the backend that --backend names. Throws for another name. */
export function namedBackend(name: string, threads: number): Backends {
  const named: Backends = {
    ...{ deferred, primitives, reference },
    wasm: () => wasm({ threads }),
    webgpu: async () => (await whyNoAdapter()) ?? webgpu(),
  };
  if (!Object.hasOwn(named, name)) {
    throw new Error(`golden: --backend is "${name}"; use ${Object.keys(named).join(", ")}`);
  }
  return { [name]: named[name] };
}
