import {
  type Backend,
  type BackendOp,
  type Buffer,
  type TensorRef,
  type TensorSpec,
  viewOf,
} from "../backends/backend.ts";
import type { Loops } from "./primitiveKernels.ts";

/** Options in which the backends for tests differ. */
interface HostBackendOptions {
  readonly name: string;
  /** If true, work is only recorded, and runs at the next read. */
  readonly deferred: boolean;
  /** Returns the plain loops of an op, or undefined if the op must run as its composition of other ops. */
  readonly loopsOf: <P>(op: BackendOp<P>, inputs: readonly TensorSpec[]) => Loops | undefined;
}

interface Block extends Buffer {
  readonly memory: ArrayBuffer;
  freed: boolean;
}

/** The byte that fills uninitialised and freed memory: reading it gives NaN as f32, and -1 as i32. */
const poison = 0xff;

/** Returns a copy of an op's parameters, because the caller may change them before the recorded op runs. */
function snapshot<T>(value: T): T {
  if (Array.isArray(value)) return value.map(snapshot) as T;
  if (ArrayBuffer.isView(value)) return structuredClone(value);
  if (typeof value !== "object" || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, snapshot(one)])) as T;
}

/** Returns a backend for tests, with buffers in host memory. Throws if a freed buffer is used. */
export function hostBackend({ name, deferred, loopsOf }: HostBackendOptions): Backend {
  let recorded: (() => void)[] = [];
  const run = (work: () => void): void => {
    if (deferred) recorded.push(work);
    else work();
  };
  const finish = (): void => {
    const works = recorded;
    recorded = [];
    const faults: unknown[] = [];
    for (const work of works) {
      try {
        work();
      } catch (error) {
        faults.push(error);
      }
    }
    if (faults.length > 0) throw faults[0];
  };
  const use = (buffer: Buffer, what: string): Block => {
    const block = buffer as Block;
    if (block.freed) throw new Error(`${name}: ${what} uses a buffer of ${block.bytes} bytes that was freed before`);
    return block;
  };
  const viewer = ({ buffer, shape, dtype, packing }: TensorRef, what: string) => {
    const { memory } = use(buffer, what);
    return () => viewOf({ shape, dtype, packing }, memory, 0);
  };
  return {
    name,
    batchInvariant: true,
    alloc: (bytes): Block => {
      const memory = new ArrayBuffer(bytes);
      new Uint8Array(memory).fill(poison);
      return { bytes, memory, freed: false };
    },
    free: (buffer) => {
      const block = use(buffer, "free");
      block.freed = true;
      run(() => new Uint8Array(block.memory).fill(poison));
    },
    write: (buffer, bytes, offset = 0) => {
      const { memory } = use(buffer, "write");
      const copied = bytes.slice();
      run(() => new Uint8Array(memory).set(copied, offset));
    },
    fill: (buffer, word) => {
      const { memory } = use(buffer, "fill");
      const element = new Uint8Array(Int32Array.of(word).buffer);
      run(() => {
        const bytes = new Uint8Array(memory);
        for (let i = 0; i < bytes.length; i++) bytes[i] = element[i % 4];
      });
    },
    read: (buffer, from = 0, to = buffer.bytes) => {
      const { memory } = use(buffer, "read");
      const copy = () => new Uint8Array(memory.slice(from, to));
      if (!deferred) return copy();
      return (async () => {
        finish();
        return copy();
      })();
    },
    ...(deferred && { sync: async () => finish() }),
    supports: (op, inputs) => loopsOf(op, inputs) !== undefined,
    run: (op, inputs, outputs, params) => {
      const loops = loopsOf(op, inputs);
      if (!loops) throw new Error(`${name}: there are no loops for ${op.name}`);
      const [from, to] = [inputs, outputs].map((tensors) => tensors.map((tensor) => viewer(tensor, op.name)));
      const own = deferred ? snapshot(params) : params;
      const views = (all: typeof from) => all.map((view) => view());
      run(() => loops(views(from), views(to), own as never));
    },
  };
}
