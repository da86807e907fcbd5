import type { Backend, Buffer, Kernels, OpKernels, TensorRef, View, WasmTensor } from "@lowrank/core";
import { sizeOf, viewAs } from "@lowrank/core";
import { Heap } from "./heap.ts";
import { heapBase, relaxedBase64, relaxedFlagOffset, simdBase64, simdFlagOffset } from "./kernels.gen.ts";

/** Options of the WebAssembly backend. */
export interface WasmOptions {
  /** Which kernels: those with relaxed SIMD (fused multiply-add) or plain SIMD. Default: relaxed where the engine has it. */
  build?: "relaxed" | "simd";
}

/** The WebAssembly backend, with what it tells about itself. */
export interface WasmBackend extends Backend {
  readonly build: "relaxed" | "simd";
  /** Bytes of wasm memory in use, waiting to be reused, and in all. */
  heapStats(): { used: number; free: number; length: number };
}

interface HeapBuffer extends Buffer {
  readonly ptr: number;
}

/** The module's bytes, told to import a memory of its own (flag 1) instead of a shared one (3). */
function decode(base64: string, flagOffset: number): Uint8Array<ArrayBuffer> {
  const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  bytes[flagOffset] = 1;
  return bytes;
}

/**
 * Starts the SIMD kernels; their bytes are part of this module. `await init(wasm())`.
 * An op without a kernel of its own runs its reference loops on the same memory.
 */
export async function wasm(options: WasmOptions = {}): Promise<WasmBackend> {
  const relaxed = decode(relaxedBase64, relaxedFlagOffset);
  const hasRelaxed = WebAssembly.validate(relaxed);
  if (options.build === "relaxed" && !hasRelaxed) {
    throw new Error('wasm: this JavaScript engine has no relaxed SIMD; leave `build` out or use "simd"');
  }
  const build = options.build ?? (hasRelaxed ? "relaxed" : "simd");
  const bytes = build === "relaxed" ? relaxed : decode(simdBase64, simdFlagOffset);
  if (!WebAssembly.validate(bytes)) throw new Error("wasm: this JavaScript engine has no WebAssembly SIMD");

  const memory = new WebAssembly.Memory({ initial: 256, maximum: 65536 });
  const { instance } = await WebAssembly.instantiate(bytes, { env: { memory } });
  const k = instance.exports as unknown as Kernels;
  const heap = new Heap(memory, heapBase);
  k.setScratch(heap.alloc(k.scratchBytes()));

  const ptrOf = (buffer: Buffer): number => (buffer as HeapBuffer).ptr;
  const view = ({ buffer, shape, dtype }: TensorRef): View => {
    const size = sizeOf(shape);
    return { shape, dtype, size, data: viewAs(dtype, memory.buffer, ptrOf(buffer), size) };
  };
  const address = ({ buffer, shape, dtype }: TensorRef): WasmTensor => {
    return { shape, dtype, size: sizeOf(shape), ptr: ptrOf(buffer) };
  };

  const temporaries: [ptr: number, bytes: number][] = [];
  const scratch = (size: number): number => {
    const ptr = heap.alloc(size);
    temporaries.push([ptr, size]);
    return ptr;
  };

  return {
    name: "wasm",
    build,
    heapStats: () => heap.stats(),
    alloc: (size): HeapBuffer => ({ bytes: size, ptr: heap.alloc(size) }),
    free: (buffer) => heap.free(ptrOf(buffer), buffer.bytes),
    write: (buffer, data) => new Uint8Array(memory.buffer, ptrOf(buffer), data.byteLength).set(data),
    read: (buffer) => new Uint8Array(memory.buffer, ptrOf(buffer), buffer.bytes).slice(),
    supports: (op) => op.wasm !== undefined || op.ref !== undefined,
    run<P>(op: OpKernels<P>, inputs: TensorRef[], outputs: TensorRef[], params: P) {
      if (!op.wasm) {
        op.ref?.(inputs.map(view), outputs.map(view), params);
        return;
      }
      try {
        op.wasm(k, inputs.map(address), outputs.map(address), params, scratch);
      } finally {
        for (let t = temporaries.pop(); t; t = temporaries.pop()) heap.free(...t);
      }
    },
  };
}
