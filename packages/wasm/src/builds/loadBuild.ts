import type { BuildMode, BuildName, KernelBuild } from "./kernelBuild.ts";

/** The bytes of a kernel module, and the address where free memory starts after its static data. */
export interface LoadedBuild {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly heapBase: number;
}

/** Loads each build as a separate module, so that a page downloads only the one that it runs. */
const builds: Readonly<Record<BuildName | `${BuildName}Invariant`, () => Promise<{ build: KernelBuild }>>> = {
  simd: () => import("./simd.gen.ts"),
  relaxed: () => import("./relaxed.gen.ts"),
  simdInvariant: () => import("./simdInvariant.gen.ts"),
  relaxedInvariant: () => import("./relaxedInvariant.gen.ts"),
};

/** Loads the build `name` in the given mode. */
export async function loadBuild(name: BuildName, { batchInvariant, shared }: BuildMode): Promise<LoadedBuild> {
  const { build } = await builds[batchInvariant ? (`${name}Invariant` as const) : name]();
  return { bytes: await bytesOf(build, shared), heapBase: build.heapBase };
}

/** Decompresses a module and sets the kind of memory that it imports. */
export async function bytesOf(
  { deflated, memoryFlag }: KernelBuild,
  shared: boolean,
): Promise<Uint8Array<ArrayBuffer>> {
  const packed = Uint8Array.from(atob(deflated), (char) => char.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  bytes[memoryFlag] = shared ? 3 : 1;
  return bytes;
}

/**
 * The bytes of a minimal WebAssembly module that uses `f32x4.relaxed_madd`. An engine without relaxed SIMD rejects it.
 */
const probe: Uint8Array<ArrayBuffer> = Uint8Array.of(
  ...[0, 97, 115, 109, 1, 0, 0, 0],
  ...[1, 5, 1, 96, 0, 1, 123],
  ...[3, 2, 1, 0],
  ...[10, 19, 1, 17, 0, 65, 0, 253, 17, 65, 0, 253, 17, 65, 0, 253, 17, 253, 133, 2, 11],
);

/** Returns true if this JavaScript engine has relaxed SIMD. */
export function hasRelaxedSimd(): boolean {
  return WebAssembly.validate(probe);
}
