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

/** The modules of a build, compiled once for all tests of a process. */
interface Compiled {
  readonly main: WebAssembly.Module;
  readonly onDemand: WebAssembly.Module;
  readonly heapBase: number;
}

const compiled = new Map<string, Promise<Compiled>>();

async function compile(build: BuildName, batchInvariant: boolean): Promise<Compiled> {
  const { bytes, heapBase } = await loadBuild(build, { batchInvariant, shared: false });
  const main = await WebAssembly.compile(bytes);
  return { main, onDemand: await WebAssembly.compile(await loadOnDemand(build, false)), heapBase };
}

/** Instantiates a build with a memory of `pages` pages of 64 KiB, which is not shared. */
export async function bareKernels(build: BuildName, pages: number, batchInvariant = false): Promise<BareKernels> {
  const key = `${build} ${batchInvariant}`;
  const modules = compiled.get(key) ?? compile(build, batchInvariant);
  compiled.set(key, modules);
  const { main, onDemand, heapBase } = await modules;
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  const laterInstance = await WebAssembly.instantiate(onDemand, { env: { memory } });
  const later = laterInstance.exports as unknown as OnDemandKernels;
  const imports = kernelImports(memory, () => later);
  const instance = await WebAssembly.instantiate(main, imports);
  return { kernels: instance.exports as unknown as Kernels, later, memory, heapBase };
}
