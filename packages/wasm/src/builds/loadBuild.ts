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
