import {
  type BackendOp,
  type Buffer,
  byteLength,
  expectSynchronous,
  sizeOf,
  type TensorRef,
} from "@lowrank/core/backend";
import { usage } from "../kernel/gpuTypes.ts";
import type { Gpu, GpuFacts, GpuTensor, WebGpuKernel } from "../kernel/kernel.ts";
import { type GpuBlock, Pool } from "../kernel/pool.ts";
import type { Dispatch, Shader } from "../kernel/shader.ts";
import type { TileName } from "../kernel/tiles.ts";
import { Faults, faultBytes, LateErrors } from "../memory/faults.ts";
import { fillWords, patchWord } from "../memory/hostWrites.ts";
import { subgroupsWork, type Trial } from "../selfCheck/checkSubgroups.ts";
import { type CheckedCall, SelfCheck } from "../selfCheck/selfCheck.ts";
import { registerBlockFormats } from "../wgsl/packed.ts";
import { bytesSeen } from "../wgsl/window.ts";
import { cutCall } from "./cutCall.ts";
import { kernelTable } from "./kernelTable.ts";
import type { OpenedDevice } from "./openDevice.ts";
import { Pipelines } from "./pipelines.ts";
import { ReadBack } from "./readBack.ts";
import { Recorder } from "./recorder.ts";
import { checkSameRows } from "./sameRows.ts";
import { TileChoice, trialOf } from "./tileChoice.ts";
import type { WebGpuBackend } from "./webgpu.ts";

/**
 * Maximum number of recorded calls that may report a fault (such as an index out of range) before the backend reads the
 * faults back.
 */
const mostPending = 4096;

const up4 = (bytes: number): number => Math.ceil(bytes / 4) * 4;

/** Returns the buffer as a block of this backend. Throws if it was freed. */
function use(buffer: Buffer, what: string): GpuBlock {
  const block = buffer as GpuBlock;
  if (block.freed) throw new Error(`webgpu: ${what} uses a buffer of ${block.bytes} bytes that was freed before`);
  return block;
}

/** Settings of a backend, from the options of `webgpu`. */
interface Settings {
  readonly kernels: readonly WebGpuKernel[];
  readonly batchInvariant: boolean;
  /** True to use subgroup operations, false not to. Undefined: only if they pass a trial on the adapter. */
  readonly subgroups: boolean | undefined;
}

/** Returns true if all subgroups of the device have the same size, so that sums are always added in the same order. */
function hasOneSize({ adapterInfo }: GPUDevice): boolean {
  const { subgroupMinSize: least = 0, subgroupMaxSize: most = 0 } = adapterInfo ?? {};
  return least > 0 && least === most;
}

/** Creates the backend on a device; disposing of the backend calls `end`. */
export async function onDevice(
  { device, adapter }: OpenedDevice,
  { kernels, batchInvariant, subgroups }: Settings,
  end: () => void,
): Promise<WebGpuBackend> {
  const { limits } = device;
  const { maxBufferSize, maxStorageBufferBindingSize: maxBinding } = limits;
  const errors = new LateErrors(device);
  const choice = new TileChoice(adapter, batchInvariant);
  const facts: GpuFacts = {
    limits,
    features: device.features,
    software: adapter.software,
    batchInvariant,
    get tile() {
      return choice.tile;
    },
  };
  const table = kernelTable(kernels, facts);
  const checks = new SelfCheck(adapter.name);
  const faults = new Faults(device);
  const pipelines = new Pipelines(device, errors);
  const recorder = new Recorder(device, pipelines, faults.buffer);
  const readBack = new ReadBack(device);
  const pool: Pool = new Pool({
    maxBufferSize,
    maxBinding,
    beforeDestroy: (slabs) => recorder.beforeDestroy(slabs),
    create: (bytes) => {
      device.pushErrorScope("out-of-memory");
      const buffer = device.createBuffer({ size: bytes, usage: usage.storage | usage.copySrc | usage.copyDst });
      errors.watchMemory(device.popErrorScope(), bytes, () => pool.stats());
      return buffer;
    },
  });

  const tensorOf = ({ buffer, shape, dtype, packing }: TensorRef, what: string): GpuTensor => {
    return { buffer: use(buffer, what), shape, dtype, packing, size: sizeOf(shape) };
  };

  /** Throws if a dispatch binds more bytes of one tensor than the device allows. `what` is the op's name. */
  const refuseLarge = (what: string, { tensors }: Dispatch): void => {
    const large = tensors.find((tensor) => bytesSeen(tensor) > maxBinding);
    if (!large) return;
    throw new Error(
      `webgpu: ${what}: ${large.dtype} [${large.shape}] of ${bytesSeen(large)} bytes exceeds maxStorageBufferBindingSize of this device (${maxBinding} bytes), and this op cannot process it in parts; give it smaller tensors, or use a device with a higher limit`,
    );
  };

  const temporaries: GpuBlock[] = [];
  const freeTemporaries = (): void => {
    for (let block = temporaries.pop(); block; block = temporaries.pop()) pool.free(block);
  };
  const gpu: Gpu = {
    ...facts,
    get tile() {
      return choice.tile;
    },
    scratch: (spec) => {
      const buffer = pool.alloc(byteLength(spec));
      temporaries.push(buffer);
      return { ...spec, buffer, size: sizeOf(spec.shape) };
    },
  };

  /**
   * Copies a block's bytes from index `from` up to but excluding `to` to the host, after all recorded commands have
   * run. Throws the first error that occurred since the last read.
   */
  const readBytes = async (block: GpuBlock | null, from: number, to: number): Promise<Uint8Array> => {
    const start = from - (from % 4);
    const length = to > from ? up4(to - start) : 0;
    const staging = readBack.take(length + faultBytes);
    if (block && length > 0) recorder.copy(block.slab.buffer, start, staging, 0, length);
    recorder.copy(faults.buffer, 0, staging, length, faultBytes);
    recorder.copy(faults.clean, 0, faults.buffer, 0, faultBytes);
    recorder.flush();
    const { latest } = faults;
    let bytes: Uint8Array<ArrayBuffer>;
    try {
      bytes = await readBack.read(staging, length + faultBytes);
    } catch (error) {
      throw await errors.ofFailedRead(error);
    }
    const fault = faults.errorOf(new Uint32Array(bytes.buffer, length, faultBytes / 4), latest);
    const late = await errors.take();
    if (late ?? fault) throw late ?? fault;
    return bytes.slice(from - start, to - start);
  };

  /**
   * The shaders to compile and the calls to check, which are collected while `warmUp` runs its function. Null at other
   * times. While this is set, no kernel runs.
   */
  let dry: { readonly shaders: Set<Shader>; readonly calls: CheckedCall[] } | null = null;
  const record = (one: Dispatch): void => {
    if (dry) dry.shaders.add(one.shader);
    else recorder.dispatch(one);
  };

  /** Runs one trial of a tile: the matrix products that `trialOf` returns. Returns their duration in milliseconds. */
  const timeOf = async (tile: TileName): Promise<number> => {
    recorder.flush();
    await device.queue.onSubmittedWorkDone();
    const start = performance.now();
    for (const one of trialOf(tile, gpu)) recorder.dispatch(one);
    freeTemporaries();
    recorder.flush();
    await device.queue.onSubmittedWorkDone();
    return performance.now() - start;
  };

  const backend: WebGpuBackend = {
    name: "webgpu",
    adapter: adapter.name,
    software: adapter.software,
    batchInvariant,
    get subgroups() {
      return pipelines.subgroups;
    },
    device,
    maxTensors: Math.max(5, limits.maxStorageBuffersPerShaderStage - 1),
    stats: () => ({ ...pool.stats(), ...recorder.stats }),
    dispose: end,
    warmUp: async (fn) => {
      await choice.measure(timeOf);
      const { shaders, calls } = { shaders: new Set<Shader>(), calls: [] as CheckedCall[] };
      dry = { shaders, calls };
      try {
        expectSynchronous("warmUp", fn());
      } finally {
        dry = null;
      }
      await Promise.all([...shaders].map((shader) => pipelines.warmUp(shader)));
      await checks.check(backend, calls, table);
    },
    alloc: (bytes) => pool.alloc(bytes),
    free: (buffer) => pool.free(use(buffer, "free")),
    write: (buffer, bytes, offset = 0) => {
      const block = use(buffer, "write");
      if (dry) return;
      const { slab } = block;
      const [first, last] = [up4(offset), offset + bytes.length];
      // A block's memory ends at a whole word, so a write up to the end of the block can be padded with zeros.
      const whole = last === block.bytes ? up4(last) : last - (last % 4);
      if (whole > first) {
        const middle = bytes.subarray(first - offset, whole - offset);
        const padded = middle.length === whole - first ? middle : new Uint8Array(whole - first);
        if (padded !== middle) padded.set(middle);
        recorder.write(slab, padded, first);
      }
      for (const one of patchWord(block, bytes, offset, whole)) recorder.dispatch(one);
    },
    fill: (buffer, word) => {
      const block = use(buffer, "fill");
      for (const one of fillWords(block, word, maxBinding)) record(one);
    },
    read: (buffer, from = 0, to = buffer.bytes) => readBytes(use(buffer, "read"), from, to),
    sync: async () => void (await readBytes(null, 0, 0)),
    prepare: async () => registerBlockFormats((await import("../wgsl/blocks.ts")).blockCode),
    supports: (op, inputs, params) => !checks.refuses(op, inputs) && table.supports(op, inputs, params),
    run: (op, inputs, outputs, params) => {
      const kernel = table.kernelOf(op);
      dry?.calls.push({ op: op as BackendOp<unknown>, inputs, params });
      if (!kernel) throw new Error(`webgpu: there is no kernel for ${op.name}`);
      const [from, to] = [inputs, outputs].map((tensors) => tensors.map((tensor) => tensorOf(tensor, op.name)));
      if (to.length > 0 && to.every(({ size }) => size === 0)) return;
      try {
        const calls = cutCall(kernel.split, { inputs: from, outputs: to, params }, maxBinding);
        const runs = calls.flatMap((call) => kernel.run(call.inputs, call.outputs, call.params, gpu, op));
        for (const one of runs) refuseLarge(op.name, one);
        for (const one of runs) {
          record(one);
          if (one.faultsIn) record(faults.confirm(op, inputs, params, one.faultsIn));
        }
        // Reads the faults now: a program that never reads would otherwise keep an ever longer list of calls.
        if (faults.pending === mostPending) readBytes(null, 0, 0).catch((error: Error) => errors.keep(error));
      } finally {
        freeTemporaries();
      }
    },
  };
  const trial: Trial = {
    place: (shape, numbers) => {
      const tensor = gpu.scratch({ shape, dtype: "f32" });
      backend.write(tensor.buffer, new Uint8Array(numbers.buffer));
      return tensor;
    },
    run: (runs) => runs.forEach(record),
    read: async ({ buffer }) => backend.read(buffer),
  };
  try {
    if (subgroups !== false && device.features.has("subgroups") && (!batchInvariant || hasOneSize(device))) {
      pipelines.subgroups = true;
      pipelines.subgroups = subgroups ?? (await subgroupsWork(adapter.name, trial));
    }
    if (batchInvariant) await checkSameRows(adapter.name, gpu, trial);
  } finally {
    freeTemporaries();
  }
  return backend;
}
