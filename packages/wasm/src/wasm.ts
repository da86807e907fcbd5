import {
  type Backend,
  type BackendOp,
  type Buffer,
  type DType,
  dtypes,
  faultError,
  OptionError,
  sizeOf,
  type TensorRef,
  type View,
  viewOf,
} from "@lowrank/core/backend";
import { checkOptions } from "@lowrank/core/internal";
import type { BuildName } from "./builds/kernelBuild.ts";
import { hasRelaxedSimd, loadBuild } from "./builds/loadBuild.ts";
import type { BoundGroups, KernelCode, Scratch, WasmKernel, WasmTensor } from "./kernels/kernel.ts";
import { kernelTable } from "./kernels/kernelTable.ts";
import type { Kernels } from "./kernels/kernelTypes.gen.ts";
import { kernelImports, type OnDemandKernels } from "./kernels/onDemandKernels.ts";
import { chooseTile, type MediumKernels, mediumKernels, tileTrialBytes } from "./kernels/trials.ts";
import { nibbleProducts, nibbleTools } from "./kernels/weightProduct.ts";
import { Heap, type HeapBlock } from "./memory/heap.ts";
import type { HeapStats } from "./memory/heapStats.ts";

/** Options of the WebAssembly backend. */
export interface WasmOptions {
  /**
   * The build of the kernels: with relaxed SIMD (fused multiply-add) or with plain SIMD. Default: relaxed if the engine
   * supports it.
   */
  build?: BuildName;
  /**
   * Number of threads inside a kernel, including the caller. Default 1. Results do not depend on it, to the bit. Prints
   * a warning and uses one thread if memory cannot be shared.
   */
  threads?: number;
  /**
   * Minimum work for an additional thread, counted in elements of an elementwise kernel (8 multiply-adds count as one).
   * Kernels with less work use fewer threads. Default 32768.
   */
  grain?: number;
  /**
   * Lets V8 fuse pairs of 128-bit operations in this whole process, and uses matrix kernels that are made for that.
   * Requires Node 26 or later on x64, and must be set for the first backend that the process starts. Throws if a check
   * at the start finds wrong results. Default false.
   */
  wideSimd?: boolean;
  /**
   * The URL of `@lowrank/wasm/worker` on your server, for threads in a page. By default they start from a blob URL,
   * which a Content-Security-Policy without `worker-src blob:` forbids. Node needs no URL.
   */
  workerUrl?: string | URL;
  /**
   * Makes each row of a result independent of the other rows in its batch, to the bit: a sequence then gets the same
   * tokens alone and in any batch. Default false. Products with few rows become slower; see
   * docs/design/batchInvariance.md.
   */
  batchInvariant?: boolean;
  /** Kernels for custom ops, made with `kernel`, in addition to the kernels of this package. */
  kernels?: readonly WasmKernel[];
}

/** The WebAssembly backend. Its additional fields describe the build, the threads and the memory. */
export interface WasmBackend extends Backend {
  readonly build: BuildName;
  /** Number of threads inside a kernel, including the caller. */
  readonly threads: number;
  /** True if the engine fuses pairs of 128-bit operations (option `wideSimd`). */
  readonly wideSimd: boolean;
  readonly batchInvariant: boolean;
  /** Kernels that timing trials have selected for integer products so far. */
  readonly mediumKernels: MediumKernels;
  /** Stops the additional threads. The backend then works with one thread. */
  dispose(): void;
  /** Returns the sizes of the heap in the WebAssembly memory. */
  heapStats(): HeapStats;
}

const maxThreads = 64;

/**
 * Mode in which this process first compiled kernels: without ("plain") or with `wideSimd` ("wide"). The engine keeps
 * compiled code, so this cannot change.
 */
let compiled: "plain" | "wide" | undefined;

function notice(reason: string): void {
  console.warn(`wasm: one thread instead of more: ${reason}`);
}

/**
 * Creates a memory of up to 4 GiB, shared between threads if requested. If the engine cannot share memory, prints a
 * notice and creates a plain one.
 */
function makeMemory(shared: boolean): { memory: WebAssembly.Memory; shared: boolean } {
  const size = { initial: 256, maximum: 65536 };
  if (shared && (typeof SharedArrayBuffer === "undefined" || globalThis.crossOriginIsolated === false)) {
    notice(
      "this page cannot share memory; serve it with Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp",
    );
  } else if (shared) {
    try {
      return { memory: new WebAssembly.Memory({ ...size, shared }), shared };
    } catch (error) {
      notice(`no shared memory can be had (${error})`);
    }
  }
  return { memory: new WebAssembly.Memory(size), shared: false };
}

/**
 * Formats whose kernels are in a separate module that is loaded when needed: all that follow q8_0 in the list of
 * dtypes.
 */
const onDemand: ReadonlySet<DType> = new Set(dtypes.slice(dtypes.indexOf("q8_0") + 1));

/** Formats of the main module for which the on-demand module, if loaded, makes integer products faster. */
const helped: ReadonlySet<DType> = new Set<DType>(["q4_0", "q4_1"]);

function unprepared(dtype: DType): Error {
  return new Error(`wasm: the kernels of ${dtype} are not loaded; call \`await backend.prepare("${dtype}")\` first`);
}

/**
 * Returns an error for the option `wideSimd`. The prefix "wasm: " is part of the message's text, so that command-line
 * tools print it too.
 */
const wideSimdError = (problem: (wideSimd: string) => string): OptionError =>
  new OptionError("", "wideSimd", true, (named) => `wasm: ${problem(named("wideSimd"))}`);

/**
 * Starts the WebAssembly backend: `await init(wasm())`. The kernels are part of this package. An op without a kernel
 * runs as its composition of other ops or, if it has none, by its reference loop.
 */
export async function wasm(options: WasmOptions = {}): Promise<WasmBackend> {
  checkOptions("wasm", options, {
    ...({ build: true, threads: true, grain: true, wideSimd: true, workerUrl: true } as const),
    ...({ batchInvariant: true, kernels: true } as const),
  });
  const { threads: asked = 1, grain = 32768, wideSimd = false, workerUrl } = options;
  const { batchInvariant = false, kernels = [] } = options;
  if (!Number.isInteger(asked) || asked < 1 || asked > maxThreads) {
    throw new OptionError("wasm", "threads", asked, `is ${asked}; give a whole number from 1 to ${maxThreads}`);
  }
  const more = batchInvariant ? (await import("./kernels/batchInvariant.ts")).batchInvariantKernels : [];
  const { codeOf, groupsOf, supports } = kernelTable([...more, ...kernels]);
  const wide = wideSimd ? await import("./kernels/wideSimd.ts") : null;
  wide?.enableWideSimd(compiled === "plain", wideSimdError);
  compiled ??= wideSimd ? "wide" : "plain";
  const { memory, shared } = makeMemory(asked > 1);
  if (options.build === "relaxed" && !hasRelaxedSimd()) {
    throw new Error('wasm: this JavaScript engine has no relaxed SIMD; leave `build` out or use "simd"');
  }
  const build = options.build ?? (hasRelaxedSimd() ? "relaxed" : "simd");
  const { bytes, heapBase } = await loadBuild(build, { batchInvariant, shared });
  if (!WebAssembly.validate(bytes)) throw new Error("wasm: this JavaScript engine has no WebAssembly SIMD");

  const module = await WebAssembly.compile(bytes);
  let later: OnDemandKernels | undefined;
  const instance = await WebAssembly.instantiate(
    module,
    kernelImports(memory, () => later!),
  );
  let k = instance.exports as unknown as Kernels;
  const heap = new Heap(memory, heapBase);
  k.setScratch(heap.alloc(k.scratchBytes()).ptr);
  const room = heap.alloc(Math.max(tileTrialBytes, wide?.wideCheckBytes ?? 0));
  const tile = chooseTile(k, room.ptr, `${build} ${wideSimd}`);
  k.setTile(tile);
  wide?.checkWideSimd(k, memory, room.ptr, wideSimdError);
  heap.free(room);

  let threads = 1;
  let stop = (): void => {};
  if (shared) {
    const { startThreads } = await import("./threads/startThreads.ts");
    const running = { module, instance, memory, heap };
    const started = startThreads(running, { count: asked, working: () => threads, grain, workerUrl });
    try {
      stop = await started.ready;
      threads = asked;
    } catch (error) {
      notice(`a worker could not start (${error instanceof Error ? error.message : error})`);
    }
    // A starting worker initialises the static data of the shared memory again, including the tile.
    k.setTile(tile);
    k = started.kernels;
  }

  const ptrOf = (buffer: Buffer): number => (buffer as HeapBlock).ptr;
  const view = (tensor: TensorRef): View => viewOf(tensor, memory.buffer, ptrOf(tensor.buffer));
  const address = ({ buffer, shape, dtype, packing }: TensorRef): WasmTensor => {
    if (!later && onDemand.has(dtype)) throw unprepared(dtype);
    const block = buffer as HeapBlock;
    // Reduced precision rounds by values of the whole batch, so batch-invariant mode does not use it.
    const precision = batchInvariant ? "highest" : block.precision;
    return { shape, dtype, packing, size: sizeOf(shape), ptr: block.ptr, block, precision };
  };

  const temporaries: HeapBlock[] = [];
  const temporary = (size: number): number => {
    const block = heap.alloc(size);
    temporaries.push(block);
    return block.ptr;
  };
  const scratch: Scratch = Object.assign(temporary, {
    words: (count: number) => new Int32Array(memory.buffer, temporary(4 * count), count),
    kept: (tensor: WasmTensor, name: string, bytes: number, make: Parameters<Scratch["kept"]>[3]) => {
      const block = tensor.block as HeapBlock;
      block.kept ??= new Map();
      const { version } = block;
      const kept = block.kept.get(name) ?? { block: heap.alloc(bytes), version: -1, usable: false };
      block.kept.set(name, kept);
      if (kept.version !== version) Object.assign(kept, { version, usable: make(kept.block.ptr) !== false });
      return kept.usable ? kept.block.ptr : 0;
    },
  });

  /** Runs an op's kernel. `bound` holds the constant inputs that were prepared in advance. */
  const call = <P>(
    code: KernelCode<P, BackendOp<P>>,
    op: BackendOp<P>,
    inputs: readonly TensorRef[],
    outputs: readonly TensorRef[],
    params: P,
    bound?: BoundGroups,
  ): void => {
    try {
      const fault = code(k, inputs.map(address), outputs.map(address), params, scratch, op, bound);
      if (fault) throw faultError(op, fault, inputs, params);
    } finally {
      for (let t = temporaries.pop(); t; t = temporaries.pop()) heap.free(t);
    }
  };

  return {
    name: "wasm",
    build,
    wideSimd,
    batchInvariant,
    get threads() {
      return threads;
    },
    get mediumKernels() {
      return mediumKernels(k);
    },
    dispose: () => {
      threads = 1;
      stop();
    },
    heapStats: () => heap.stats(),
    prepare: async (dtype) => {
      if (later || !(onDemand.has(dtype) || helped.has(dtype))) return;
      const { loadOnDemand, nibbleProductsBy } = await import("./builds/loadOnDemand.ts");
      const code = await loadOnDemand(build, shared);
      const { instance: more } = await WebAssembly.instantiate(code, { env: { memory } });
      const { ptr } = heap.alloc(code.length);
      new Uint8Array(memory.buffer, ptr, code.length).set(code);
      new Uint32Array(memory.buffer, k.moduleOnDemand(), 2).set([ptr, code.length]);
      later = more.exports as unknown as OnDemandKernels;
      nibbleProducts.set(k, nibbleProductsBy(later, nibbleTools));
    },
    alloc: (size) => heap.alloc(size),
    free: (buffer) => heap.free(buffer as HeapBlock),
    write: (buffer, data, offset = 0) => {
      new Uint8Array(memory.buffer, ptrOf(buffer) + offset, data.byteLength).set(data);
    },
    // The heap allocates whole granules, so the last word fits.
    fill: (buffer, word) => k.fill(ptrOf(buffer), Math.ceil(buffer.bytes / 4), word),
    // In V8 the constructor copies 1 to 8 MB in 0.5 to 0.7 of the time that `slice` takes.
    read: (buffer, from = 0, to = buffer.bytes) =>
      new Uint8Array(new Uint8Array(memory.buffer, ptrOf(buffer) + from, to - from)),
    supports,
    run<P>(op: BackendOp<P>, inputs: readonly TensorRef[], outputs: readonly TensorRef[], params: P) {
      const code = codeOf(op);
      if (code) call(code, op, inputs, outputs, params);
      else op.ref?.(inputs.map(view), outputs.map(view), params);
    },
    bind<P>(op: BackendOp<P>) {
      const code = codeOf(op);
      const words = groupsOf(op);
      if (!code || !words) return undefined;
      let bound: BoundGroups = { table: new Int32Array(words.count * 8), slots: [] };
      return {
        set: (slot, group) => {
          const at = words.count * slot;
          let { table } = bound;
          if (at >= table.length) {
            table = new Int32Array(2 * (at + words.count));
            table.set(bound.table);
          }
          table.set(words.of(k as never, group.map(address)), at);
          bound = { table, slots: [] };
        },
        run: (slots, inputs, outputs, params) => {
          if (bound.slots !== slots) bound = { ...bound, slots };
          call(code, op, inputs, outputs, params as P, bound);
        },
      };
    },
  };
}
