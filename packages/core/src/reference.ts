import { type Backend, type BackendOp, type Buffer, type TensorRef, type View, viewOf } from "./backend.ts";

interface HostBuffer extends Buffer {
  readonly memory: ArrayBuffer;
}

const memoryOf = (buffer: Buffer): ArrayBuffer => (buffer as HostBuffer).memory;

const view = (tensor: TensorRef): View => viewOf(tensor, memoryOf(tensor.buffer), 0);

/** The backend of plain loops: it defines what every op means, and is never made faster. */
export function reference(): Backend {
  return {
    name: "reference",
    alloc: (bytes): HostBuffer => ({ bytes, memory: new ArrayBuffer(bytes) }),
    free: () => {},
    write: (buffer, bytes) => new Uint8Array(memoryOf(buffer)).set(bytes),
    read: (buffer) => new Uint8Array(memoryOf(buffer).slice(0)),
    supports: (op) => op.ref !== undefined,
    run<P>(op: BackendOp<P>, inputs: readonly TensorRef[], outputs: readonly TensorRef[], params: P) {
      if (!op.ref) throw new Error(`${op.name}: the op has no reference kernel`);
      op.ref(inputs.map(view), outputs.map(view), params);
    },
  };
}
