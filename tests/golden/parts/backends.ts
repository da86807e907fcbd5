import { type Backend, reference } from "@lowrank/core";
import { deferred, primitives } from "@lowrank/core/testing";
import { whyNoWebGpu } from "@lowrank/test-support/whyNoWebGpu";
import { wasm } from "@lowrank/wasm";
import { webgpu } from "@lowrank/webgpu";

/** A backend of a golden run. */
export interface GoldenBackend {
  readonly name: string;
  /** Starts the backend; returns a text with the reason if it is not available on this machine. */
  start(): Backend | Promise<Backend | string>;
  /** True if no op may run on the host, which would have to read data back from the device. */
  readonly onDevice?: true;
}

/** Two threads with a grain so small that every divisible kernel call is divided. */
const two = { threads: 2, grain: 1 };

const [relaxed, simd]: readonly GoldenBackend[] = (["relaxed", "simd"] as const).map((build) => {
  return { name: `wasm ${build}`, start: () => wasm({ build }) };
});
const [relaxedThreads, simdThreads]: readonly GoldenBackend[] = (["relaxed", "simd"] as const).map((build) => {
  return { name: `wasm ${build}, two threads`, start: () => wasm({ build, ...two }) };
});
const loops: GoldenBackend = { name: "reference", start: reference };

/** The backends of a run without --backend; small models exercise the differences between the builds. */
export const usualBackends: readonly GoldenBackend[] = [loops, relaxed, relaxedThreads, simd, simdThreads];

/** The backend of a run with --brief, whose kernels most machines use. */
export const briefBackends: readonly GoldenBackend[] = [relaxedThreads];

/** Returns the backend that --backend names. Throws for another name. */
export function namedBackend(name: string, threads: number): GoldenBackend {
  const named: readonly GoldenBackend[] = [
    { name: "deferred", start: deferred },
    { name: "primitives", start: primitives },
    { name: "reference", start: reference },
    { name: "wasm", start: () => wasm({ threads }) },
    { name: "webgpu", start: async () => (await whyNoWebGpu()) ?? webgpu(), onDevice: true },
  ];
  const found = named.find((one) => one.name === name);
  if (found) return found;
  throw new Error(`golden: --backend is "${name}"; use ${named.map((one) => one.name).join(", ")}`);
}
