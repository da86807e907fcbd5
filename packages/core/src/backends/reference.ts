import { type Backend, type BackendOp, type Buffer, type TensorRef, type View, viewOf } from "./backend.ts";

interface HostBuffer extends Buffer {
  readonly memory: ArrayBuffer;
}

const memoryOf = (buffer: Buffer): ArrayBuffer => (buffer as HostBuffer).memory;

const view = (tensor: TensorRef): View => viewOf(tensor, memoryOf(tensor.buffer), 0);

/** The byte with which freed memory is filled, so that reading it gives NaN. */
const freedByte = 0xff;

/**
 * Returns the reference backend, which runs every op in plain loops. It defines what ops mean, and is never optimised.
 */
export function reference(): Backend {
  return {
    name: "reference",
    batchInvariant: true,
    alloc: (bytes): HostBuffer => ({ bytes, memory: new ArrayBuffer(bytes) }),
    free: (buffer) => void new Uint8Array(memoryOf(buffer)).fill(freedByte),
    write: (buffer, bytes, offset = 0) => new Uint8Array(memoryOf(buffer)).set(bytes, offset),
    fill: (buffer, word) => {
      const element = new Uint8Array(Int32Array.of(word).buffer);
      const bytes = new Uint8Array(memoryOf(buffer));
      for (let i = 0; i < bytes.length; i++) bytes[i] = element[i % 4];
    },
    read: (buffer, from = 0, to = buffer.bytes) => new Uint8Array(memoryOf(buffer).slice(from, to)),
    supports: (op) => op.ref !== undefined,
    run<P>(op: BackendOp<P>, inputs: readonly TensorRef[], outputs: readonly TensorRef[], params: P) {
      if (!op.ref) throw new Error(`${op.name}: the op has no reference kernel`);
      op.ref(inputs.map(view), outputs.map(view), params);
    },
  };
}
