import { kernelParameters } from "../kernels/kernelParameters.gen.ts";
import type { InvariantKernels, Kernels } from "../kernels/kernelTypes.gen.ts";
import type { Heap } from "../memory/heap.ts";
import { type Cutter, cutters, productsPerElement } from "./cutters.ts";
import { boardBytes, JobBoard, type Kernel, maxParts } from "./jobBoard.ts";
import { startWorkers } from "./startWorkers.ts";

/** Number of parts per thread. With several small parts, a thread that starts late delays the others only a little. */
const partsPerThread = 4;

/**
 * Wraps the kernels so that long calls are divided between threads through `board`. Results are the same, to the bit.
 * Each part costs at least as much as `grain` elements of an elementwise kernel. `threads` returns how many threads are
 * working now, including the caller.
 */
export function threadedKernels(k: Kernels, board: JobBoard, threads: () => number, grain: number): Kernels {
  const names = Object.keys(k);
  const partsFor = (work: number): number => {
    return Math.min(maxParts, threads() > 1 ? partsPerThread * threads() : 1, Math.floor(work / grain));
  };
  const share = (name: keyof Kernels, cutter: Cutter<string>): Kernel => {
    const direct = k[name] as Kernel;
    const kernel = names.indexOf(name);
    const parameters: readonly string[] = kernelParameters[name];
    const place = (parameter: string | undefined) =>
      parameter === undefined ? undefined : parameters.indexOf(parameter);
    return (...args) => {
      const named: Record<string, number> = {};
      for (let i = 0; i < args.length; i++) named[parameters[i]] = args[i];
      const { work, units, align, steps, count, end, scratch } = cutter(named);
      const chunk = Math.ceil(units / partsFor(work) / align) * align;
      if (!(chunk < units)) return direct(...args);
      const places = { count: place(count), end: place(end), scratch: place(scratch) };
      const grown = Object.entries(steps()).map(([parameter, step = 0]): [number, number] => {
        return [parameters.indexOf(parameter), step];
      });
      return board.run({ kernel, args, steps: grown, units, chunk, ...places });
    };
  };
  /**
   * Wraps a matrix product for several threads. The module has a second kernel that takes the same arguments, then p
   * and q, and computes part p of q parts.
   */
  const product = (name: "gemm" | "gemmWeight"): Kernel => {
    const kernel = names.indexOf(`${name}Part`);
    const parameters: readonly string[] = kernelParameters[name];
    const [m, n, inner] = ["m", "n", "k"].map((size) => parameters.indexOf(size));
    return (...args) => {
      const parts = partsFor((args[m] * args[n] * args[inner]) / productsPerElement);
      if (parts < 2) return (k[name] as Kernel)(...args);
      return board.run({ kernel, args: [...args, 0, parts], steps: [[args.length, 1]], units: parts, chunk: 1 });
    };
  };
  const shared = Object.entries(cutters).flatMap(([name, cutter]) =>
    name in k ? [[name, share(name as keyof Kernels, cutter as Cutter<string>)]] : [],
  );
  return { ...k, ...Object.fromEntries(shared), gemm: product("gemm"), gemmWeight: product("gemmWeight") };
}

/** An instantiated kernel module with shared memory, and the heap of that memory. */
interface Running {
  readonly module: WebAssembly.Module;
  readonly instance: WebAssembly.Instance;
  readonly memory: WebAssembly.Memory;
  readonly heap: Heap;
}

/** Options of `startThreads`. */
interface ThreadOptions {
  /** The number of threads, including the caller. */
  readonly count: number;
  /** Returns how many threads are working now, including the caller. */
  readonly working: () => number;
  readonly grain: number;
  readonly workerUrl: string | URL | undefined;
}

/**
 * Starts the additional threads. Returns kernels that share their work with these threads, and a promise of a function
 * that stops them. The promise rejects if a thread cannot start.
 */
export function startThreads(
  { module, instance, memory, heap }: Running,
  { count, working, grain, workerUrl }: ThreadOptions,
): { kernels: Kernels; ready: Promise<() => void> } {
  const k = instance.exports as unknown as Kernels & Partial<InvariantKernels>;
  const board = heap.alloc(boardBytes).ptr;
  const scratchOf = [k.attentionScratch, k.linearCrossEntropyScratch, k.pagedAttentionScratch, k.codesScratch];
  const tileBytes = Math.max(...scratchOf.map((bytes) => bytes?.() ?? 0));
  const setups = Array.from({ length: count - 1 }, () => {
    const [scratch, tiles] = [heap.alloc(k.scratchBytes()).ptr, heap.alloc(tileBytes).ptr];
    return { module, memory, board, scratch, tiles };
  });
  const jobs = new JobBoard(memory, board, Object.values(instance.exports) as Kernel[]);
  return { kernels: threadedKernels(k, jobs, working, grain), ready: startWorkers(setups, workerUrl) };
}
