import type { InvariantKernels, Kernels } from "../kernels/kernelTypes.gen.ts";
import type { Heap } from "../memory/heap.ts";
import { boardBytes, JobBoard, type Kernel } from "./jobBoard.ts";
import { startWorkers } from "./startWorkers.ts";
import { threadedKernels } from "./threadedKernels.ts";

/** A running module in shared memory, with its heap. */
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
