import {
  type Backend,
  type BackendOp,
  byteLength,
  type OpDefinition,
  sizeOf,
  type TensorRef,
  type TensorSpec,
} from "@lowrank/core/backend";
import { cutCall } from "../../device/cutCall.ts";
import { kernelTable } from "../../device/kernelTable.ts";
import type { Example, Gpu, GpuFacts, GpuTensor, WebGpuKernel } from "../../kernel/kernel.ts";
import { type GpuBlock, Pool } from "../../kernel/pool.ts";
import type { Dispatch } from "../../kernel/shader.ts";
import { fillWords, patchWord } from "../../memory/hostWrites.ts";
import { registerBlockFormats } from "../../wgsl/packed.ts";
import { exampleText, paramsText, runsText, specText, textOf } from "./callText.ts";
import { expectAllowed, limits } from "./limits.ts";

/** Properties of a recorded device by which kernels choose. Default: a software device without optional features. */
export interface RecordedDevice {
  readonly software?: boolean;
  readonly batchInvariant?: boolean;
  readonly features?: readonly string[];
  readonly maxStorageBufferBindingSize?: number;
}

/** The calls of kernels by the name of the op: the text of a call, and the texts of its dispatches. */
export type Calls = Map<string, Map<string, string>>;

/** The most calls of the same kernels in a record. */
const mostAlike = 2;

/** A backend that computes nothing, and the calls that it has noted. */
interface Recording {
  readonly backend: Backend;
  readonly calls: Calls;
  /** Notes a call of an op on tensors without data. */
  runSpecs(op: OpDefinition<never>, inputs: readonly TensorSpec[], params: unknown): void;
}

/** Makes a backend that computes nothing, and notes the dispatches of each different call of a kernel. */
export function recordingBackend(given: RecordedDevice, more: readonly WebGpuKernel[] = []): Recording {
  const { software = true, batchInvariant = false, features = [], maxStorageBufferBindingSize } = given;
  const most = maxStorageBufferBindingSize ?? limits.maxStorageBufferBindingSize;
  const facts: GpuFacts = {
    limits: { ...limits, maxStorageBufferBindingSize: most } as unknown as GpuFacts["limits"],
    features: new Set(features),
    software,
    batchInvariant,
    tile: software ? "direct 8x4" : "staged 8x4",
  };
  const table = kernelTable(more, facts);
  const pool = new Pool({
    create: () => ({ destroy: () => {} }) as never,
    beforeDestroy: () => {},
    maxBufferSize: limits.maxBufferSize,
    maxBinding: most,
  });
  const scratch = (spec: TensorSpec): GpuTensor => ({
    ...{ ...spec, buffer: pool.alloc(byteLength(spec)), size: sizeOf(spec.shape) },
  });
  const gpu: Gpu = { ...facts, scratch };
  const calls: Calls = new Map();
  const alike = new Map<string, number>();
  const examples = new Set<string>();
  /** Returns the line of a call's example, unless the record has it already. */
  const exampleLine = (op: string, example: Example | undefined): string => {
    const text = example ? exampleText(example) : "";
    if (text === "" || examples.has(`${op}: ${text}`)) return "";
    examples.add(`${op}: ${text}`);
    return `  example ${text}\n`;
  };
  const note = (
    op: string,
    call: string,
    tensors: readonly GpuTensor[],
    runsOf: () => readonly Dispatch[],
    exampleOf: () => Example | undefined = () => undefined,
  ): void => {
    const own = calls.get(op) ?? new Map<string, string>();
    if (own.has(call)) return;
    const runs = runsOf();
    for (const run of runs) expectAllowed(run, most);
    // Calls beyond `mostAlike` of the same kernels are not part of the record.
    const kernels = `${op} ${runs.slice(0, 20).map(({ shader }) => textOf(shader).hash)}`;
    const before = alike.get(kernels) ?? 0;
    alike.set(kernels, before + 1);
    if (before >= mostAlike) return;
    calls.set(op, own.set(call, exampleLine(op, exampleOf()) + runsText(runs, tensors)));
  };
  const tensorOf = ({ buffer, shape, dtype, packing }: TensorRef): GpuTensor => {
    return { buffer: buffer as GpuBlock, shape, dtype, packing, size: sizeOf(shape) };
  };
  const backend: Backend = {
    name: "webgpu",
    batchInvariant,
    maxTensors: limits.maxStorageBuffersPerShaderStage - 1,
    prepare: async () => registerBlockFormats((await import("../../wgsl/blocks.ts")).blockCode),
    alloc: (bytes) => pool.alloc(bytes),
    free: (buffer) => pool.free(buffer as GpuBlock),
    write: (buffer, bytes, offset = 0) => {
      const last = offset + bytes.length;
      const whole = last === buffer.bytes ? Math.ceil(last / 4) * 4 : last - (last % 4);
      const block = buffer as GpuBlock;
      note("write", `${offset}+${bytes.length} of ${buffer.bytes}`, [], () => patchWord(block, bytes, offset, whole));
    },
    fill: (buffer, word) =>
      note("fill", `${buffer.bytes} bytes with ${word}`, [], () => fillWords(buffer as GpuBlock, word, most)),
    read: (buffer, from = 0, to = buffer.bytes) => new Uint8Array(to - from),
    supports: (op, inputs, params) => table.supports(op, inputs, params),
    run: <P>(op: BackendOp<P>, inputs: readonly TensorRef[], outputs: readonly TensorRef[], params: P) => {
      const kernel = table.kernelOf(op);
      if (!kernel) throw new Error(`there is no kernel for ${op.name}`);
      const [from, to] = [inputs, outputs].map((tensors) => tensors.map(tensorOf));
      if (to.length > 0 && to.every(({ size }) => size === 0)) return;
      const text = `${inputs.map(specText).join(" ")}${paramsText(params)}`;
      const runsOf = () =>
        cutCall(kernel.split, { inputs: from, outputs: to, params }, most).flatMap((call) =>
          kernel.run(call.inputs, call.outputs, call.params, gpu, op),
        );
      note(op.name, text, [...from, ...to], runsOf, () => table.exampleOf(op, inputs, params));
    },
  };
  const runSpecs: Recording["runSpecs"] = (op, inputs, params) => {
    const refOf = (spec: TensorSpec): TensorRef => ({ ...spec, buffer: pool.alloc(byteLength(spec)) });
    const outputs = [op.shape(inputs, params as never)].flat();
    alike.clear();
    backend.run(op as BackendOp<unknown>, inputs.map(refOf), outputs.map(refOf), params);
  };
  return { backend, calls, runSpecs };
}
