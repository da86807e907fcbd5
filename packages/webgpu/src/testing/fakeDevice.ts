/**
 * A kernel as a JavaScript function. Receives its uniforms as bytes, its tensors as words, the workgroup counts, its
 * uniforms by name, and its name and WGSL.
 */
export type Program = (
  uniforms: DataView,
  tensors: readonly Uint32Array[],
  groups: readonly [x: number, y: number, z: number],
  named: Readonly<Record<string, number>>,
  text: KernelText,
) => void;

/** A shader's name and its WGSL. */
interface KernelText {
  readonly label: string;
  readonly code: string;
}

type Fields = readonly (readonly [name: string, type: string])[];

/** A compiled kernel of a fake device. */
interface Compiled {
  readonly program: Program;
  readonly text: KernelText;
  readonly fields: Fields;
}

/** Returns the uniforms that a kernel's WGSL declares. */
function fieldsOf(code: string): Fields {
  const [, declared = ""] = /struct Uniforms \{ ([^}]*) \}/.exec(code) ?? [];
  return [...declared.matchAll(/(\w+): (\w+)/g)].map(([, name, type]) => [name, type]);
}

const readers: Readonly<Record<string, (view: DataView, at: number) => number>> = {
  u32: (view, at) => view.getUint32(at, true),
  i32: (view, at) => view.getInt32(at, true),
  f32: (view, at) => view.getFloat32(at, true),
};

/** A buffer of a fake device. */
interface FakeBuffer {
  readonly size: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
  destroyed: boolean;
}

/** Counts of the calls to a fake device. */
export interface FakeCounts {
  bindGroups: number;
  submits: number;
  /** For each submit, the number of dispatches in it. */
  readonly runs: number[];
  /** Number of immediate writes by the host (`queue.writeBuffer`). */
  writes: number;
  maps: number;
  readonly buffers: FakeBuffer[];
}

/** A fake WebGPU device that runs kernels as JavaScript functions, and the counts of its calls. */
interface FakeDevice {
  readonly device: GPUDevice;
  readonly counts: FakeCounts;
}

/** The limits and features of a fake device. */
export interface FakeFacts {
  readonly limits?: Readonly<Record<string, number>>;
  readonly features?: readonly string[];
  readonly adapterInfo?: Readonly<Record<string, number | undefined>>;
}

const none = 0x7fffffff;

/** JavaScript versions of the kernels that fill and write buffers. */
const ownPrograms: Readonly<Record<string, Program>> = {
  fill: (u, [out]) => out.fill(u.getUint32(4, true), 0, u.getUint32(0, true)),
  patchWord: (u, [out]) => {
    const [at, mask, word] = [0, 4, 8].map((offset) => u.getUint32(offset, true));
    out[at] = (out[at] & ~mask) | word;
  },
  fault: (u, [values, faults]) => {
    const [at] = faults;
    faults[0] = none;
    if (at === none || faults[1] !== 0) return;
    faults[1] = u.getUint32(0, true);
    faults[2] = at;
    if ((at | 0) >= 0) faults[3] = at < u.getUint32(4, true) ? values[at] : 0;
  },
};

/**
 * Makes a fake device. As on a real one, commands run when they are submitted, and host writes at once. A kernel runs
 * the program of its full name, or of the part of its name before a comma; a kernel without a program does nothing.
 */
export function fakeDevice(
  programs: Readonly<Record<string, Program>> = {},
  { limits, features = [], adapterInfo }: FakeFacts = {},
): FakeDevice {
  const known = { ...ownPrograms, ...programs };
  const counts: FakeCounts = { bindGroups: 0, submits: 0, runs: [], writes: 0, maps: 0, buffers: [] };

  const write = (to: FakeBuffer, at: number, data: ArrayBufferView, from = 0, length?: number): void => {
    const { BYTES_PER_ELEMENT: each } = data as Uint8Array;
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const part = bytes.subarray(from * each, length === undefined ? undefined : (from + length) * each);
    if (at % 4 !== 0 || part.length % 4 !== 0) throw new Error(`a write of ${part.length} bytes at ${at}`);
    if (to.destroyed) throw new Error("a write to a destroyed buffer");
    counts.writes++;
    to.bytes.set(part, at);
  };

  const createBuffer = ({ size }: { size: number }) => {
    if (size % 4 !== 0) throw new Error(`a buffer of ${size} bytes`);
    const buffer = {
      ...{ size, bytes: new Uint8Array(size), destroyed: false },
      destroy: () => {
        buffer.destroyed = true;
      },
      mapAsync: async (_mode: number, _from: number, bytes: number) => {
        if (bytes > size) throw new Error(`a map of ${bytes} bytes of ${size}`);
        counts.maps++;
      },
      getMappedRange: (from: number, bytes: number) => buffer.bytes.buffer.slice(from, from + bytes),
      unmap: () => {},
    };
    counts.buffers.push(buffer);
    return buffer;
  };

  type Resource = { buffer: FakeBuffer; offset?: number; size?: number };
  const viewOf = ({ buffer, offset = 0, size = buffer.size - offset }: Resource, more = 0): Uint8Array => {
    if (buffer.destroyed) throw new Error("a kernel sees a destroyed buffer");
    if (offset % 256 !== 0 || offset + more + size > buffer.size)
      throw new Error(`a view of ${size} bytes at ${offset}`);
    return buffer.bytes.subarray(offset + more, offset + more + size);
  };

  interface Descriptor {
    readonly label: string;
    readonly compute: { readonly module: string };
  }
  const compiled = ({ label, compute: { module: code } }: Descriptor): Compiled => {
    const program = known[label] ?? known[label.split(",")[0]] ?? (() => {});
    return { program, text: { label, code }, fields: fieldsOf(code) };
  };

  const createCommandEncoder = () => {
    const commands: (() => void)[] = [];
    let open = false;
    let runs = 0;
    const expectClosed = (): void => {
      if (open) throw new Error("a command inside of a pass");
    };
    return {
      copyBufferToBuffer: (from: FakeBuffer, start: number, to: FakeBuffer, at: number, bytes: number) => {
        expectClosed();
        if (start % 4 !== 0 || at % 4 !== 0 || bytes % 4 !== 0) throw new Error(`a copy of ${bytes} bytes to ${at}`);
        if (start + bytes > from.size || at + bytes > to.size) throw new Error("a copy that leaves a buffer");
        commands.push(() => to.bytes.set(from.bytes.subarray(start, start + bytes), at));
      },
      beginComputePass: () => {
        expectClosed();
        open = true;
        let kernel: Compiled = compiled({ label: "", compute: { module: "" } });
        let bound: readonly Resource[] = [];
        let offset = 0;
        return {
          setPipeline: (pipeline: Compiled) => {
            kernel = pipeline;
          },
          setBindGroup: (_group: number, resources: readonly Resource[], [at]: number[]) => {
            [bound, offset] = [resources, at];
          },
          dispatchWorkgroups: (x: number, y: number, z: number) => {
            const [{ program, fields, text }, [host, ...tensors], at] = [kernel, bound, offset];
            runs++;
            commands.push(() => {
              const uniforms = viewOf(host, at);
              const views = tensors.map((one) => viewOf(one));
              const data = new DataView(uniforms.buffer, uniforms.byteOffset, uniforms.byteLength);
              program(
                data,
                views.map(({ buffer, byteOffset, byteLength }) => new Uint32Array(buffer, byteOffset, byteLength >> 2)),
                [x, y, z],
                Object.fromEntries(fields.map(([name, type], i) => [name, readers[type](data, 4 * i)])),
                text,
              );
            });
          },
          end: () => {
            open = false;
          },
        };
      },
      finish: () => {
        expectClosed();
        return { commands, runs };
      },
    };
  };

  const device = {
    limits: {
      ...{ maxBufferSize: 2 ** 28, maxStorageBufferBindingSize: 2 ** 27, maxStorageBuffersPerShaderStage: 8 },
      ...{ minUniformBufferOffsetAlignment: 256, maxComputeWorkgroupsPerDimension: 65535 },
      ...limits,
    },
    features: new Set(features),
    adapterInfo,
    lost: new Promise<never>(() => {}),
    pushErrorScope: () => {},
    popErrorScope: async () => null,
    createBuffer,
    createShaderModule: ({ code }: { code: string }) => code,
    createComputePipeline: compiled,
    createComputePipelineAsync: async (descriptor: Descriptor) => compiled(descriptor),
    createBindGroupLayout: () => ({}),
    createPipelineLayout: () => ({}),
    createBindGroup: ({ entries }: { entries: { binding: number; resource: Resource }[] }) => {
      counts.bindGroups++;
      entries.forEach(({ binding }, i) => {
        if (binding !== i) throw new Error(`binding ${binding} in place of ${i}`);
      });
      return entries.map(({ resource }) => resource);
    },
    createCommandEncoder,
    queue: {
      writeBuffer: write,
      submit: (all: readonly { commands: (() => void)[]; runs: number }[]) => {
        for (const { commands, runs } of all) {
          counts.submits++;
          counts.runs.push(runs);
          for (const command of commands) command();
        }
      },
      onSubmittedWorkDone: async () => {},
    },
  };
  return { device: device as unknown as GPUDevice, counts };
}
