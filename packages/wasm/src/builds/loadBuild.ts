import type { BuildName, KernelBuild } from "./kernelBuild.ts";

/** The bytes of a build that imports the wished memory, and where its heap begins. */
export interface LoadedBuild {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly heapBase: number;
}

/** Each build is a module of its own, so a page downloads the one that it runs. */
const builds: Readonly<Record<BuildName, () => Promise<{ build: KernelBuild }>>> = {
  simd: () => import("./simd.gen.ts"),
  relaxed: () => import("./relaxed.gen.ts"),
};

/** Loads a build; `shared` says whether it imports a shared memory or a plain one. */
export async function loadBuild(name: BuildName, shared: boolean): Promise<LoadedBuild> {
  const { build } = await builds[name]();
  const bytes = await inflate(Uint8Array.from(atob(build.deflated), (char) => char.charCodeAt(0)));
  bytes[build.memoryFlag] = shared ? 3 : 1;
  return { bytes, heapBase: build.heapBase };
}

async function inflate(deflated: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([deflated]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
