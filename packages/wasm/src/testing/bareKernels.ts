import type { BuildName } from "../builds/kernelBuild.ts";
import { loadBuild } from "../builds/loadBuild.ts";
import { loadOnDemand } from "../builds/loadOnDemand.ts";
import type { Kernels } from "../kernels/kernelTypes.gen.ts";
import { kernelImports, type OnDemandKernels } from "../kernels/onDemandKernels.ts";

/** The functions of a WebAssembly build, to be called without the backend. */
export interface BareKernels {
  kernels: Kernels;
  /** The functions of the on-demand module. */
  later: OnDemandKernels;
  memory: WebAssembly.Memory;
  /** First address after the static data of the module. */
  heapBase: number;
}

/** Instantiates a build with a memory of `pages` pages of 64 KiB, which is not shared. */
export async function bareKernels(build: BuildName, pages: number, batchInvariant = false): Promise<BareKernels> {
  const { bytes, heapBase } = await loadBuild(build, { batchInvariant, shared: false });
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  const onDemand = await WebAssembly.instantiate(await loadOnDemand(build, false), { env: { memory } });
  const later = onDemand.instance.exports as unknown as OnDemandKernels;
  const imports = kernelImports(memory, () => later);
  const { instance } = await WebAssembly.instantiate(bytes, imports);
  return { kernels: instance.exports as unknown as Kernels, later, memory, heapBase };
}
