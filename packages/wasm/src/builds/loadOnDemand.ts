import type { BuildName, KernelBuild } from "./kernelBuild.ts";
import { bytesOf } from "./loadBuild.ts";

export { nibbleProductsBy } from "../kernels/nibbleProducts.ts";

const builds: Readonly<Record<BuildName, () => Promise<{ build: KernelBuild }>>> = {
  simd: () => import("./simdOnDemand.gen.ts"),
  relaxed: () => import("./relaxedOnDemand.gen.ts"),
};

/**
 * Returns the bytes of the on-demand module for the build `name`. The module contains the kernels of rarer weight
 * formats.
 */
export async function loadOnDemand(name: BuildName, shared: boolean): Promise<Uint8Array<ArrayBuffer>> {
  const { build } = await builds[name]();
  return await bytesOf(build, shared);
}
