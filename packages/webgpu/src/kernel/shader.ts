import type { GpuTensor } from "./kernel.ts";

/** The types that a kernel's numbers have. */
export type Scalar = "u32" | "i32" | "f32";

/** A tensor of a kernel: "read" or "write" (which may read too), then WGSL's type of an element. */
export type Binding = `${"read" | "write"} ${string}`;

/** The parts of a kernel's text. */
export interface ShaderParts<B extends string, U extends string> {
  /** Names the kernel in errors and statistics: "matmul 64x64". */
  readonly name: string;
  /** Tensors, by name: "read vec4f", "write f32". */
  readonly bindings: Readonly<Record<B, Binding>>;
  /** Numbers that differ from call to call; the code reads them as `u.name`. */
  readonly uniforms: Readonly<Record<U, Scalar>>;
  /** WGSL extensions, of which the device must have the features. */
  readonly enable?: readonly "f16"[];
  /** The code calls `fault(at: i32)` where data break the op's rules; the least `at` counts. */
  readonly faults?: boolean;
  /**
   * WGSL with an entry called `main`; one that is a function is told if the text may use the
   * operations of subgroups.
   */
  readonly code: string | ((subgroups: boolean) => string);
}

/** Workgroups in three dimensions. */
export type Groups = readonly [x: number, y: number, z: number];

/** A run of a kernel: the buffers that it sees, its numbers, and its workgroups. */
export interface Dispatch {
  readonly shader: Shader;
  readonly tensors: readonly GpuTensor[];
  /** The uniforms' words, in order. */
  readonly words: Uint32Array;
  readonly groups: Groups;
  /** The tensor that a fault's position counts in: its element there is the fault's value. */
  readonly faultsIn?: GpuTensor;
}

/** A kernel's text, and what it binds. Make each one once: pipelines are kept by it. */
export interface Shader<B extends string = string, U extends string = string> {
  readonly name: string;
  readonly code: string;
  /** The text for devices with subgroups; the same where it has no use for them. */
  readonly subgroupCode: string;
  /** For each tensor in order, true if the kernel writes to it. */
  readonly writes: readonly boolean[];
  readonly faults: boolean;
  /** Bytes of the uniforms. */
  readonly uniformBytes: number;
  /** Makes a run of it. A kernel with faults names the tensor that their positions count in. */
  dispatch(
    tensors: Readonly<Record<B, GpuTensor>>,
    uniforms: Readonly<Record<U, number>>,
    groups: Groups,
    faultsIn?: GpuTensor,
  ): Dispatch;
}

const faultCode = (binding: number): string => `
struct Faults { at: atomic<i32>, op: u32, position: i32, value: u32 }
@group(0) @binding(${binding}) var<storage, read_write> faults: Faults;
fn fault(at: i32) { atomicMin(&faults.at, at); }
`;

/** Makes a kernel: declares its uniforms and bindings, in the order given, before its code. */
export function shader<B extends string, U extends string>(parts: ShaderParts<B, U>): Shader<B, U> {
  const { name, enable = [], faults = false } = parts;
  const bindings = Object.entries<string>(parts.bindings);
  const uniforms = Object.entries<Scalar>(parts.uniforms);
  const writes = bindings.map(([, text]) => text.startsWith("write "));
  // A binding must not be empty.
  const fields = uniforms.length > 0 ? uniforms : [["unused", "u32"] as const];
  const declared = bindings.map(([field, text], i) => {
    const type = text.slice(text.indexOf(" ") + 1);
    return `@group(0) @binding(${i + 1}) var<storage, ${writes[i] ? "read_write" : "read"}> ${field}: array<${type}>;`;
  });
  const textOf = (body: string, features: readonly string[]): string =>
    [
      ...features.map((one) => `enable ${one};`),
      `struct Uniforms { ${fields.map(([field, type]) => `${field}: ${type}`).join(", ")} }`,
      "@group(0) @binding(0) var<uniform> u: Uniforms;",
      ...declared,
      faults ? faultCode(bindings.length + 1) : "",
      body,
    ].join("\n");
  const bodyOf = (subgroups: boolean) => (typeof parts.code === "string" ? parts.code : parts.code(subgroups));
  const plain = bodyOf(false);
  const code = textOf(plain, enable);
  let subgroupCode: string | undefined;
  const made: Shader<B, U> = {
    name,
    code,
    get subgroupCode() {
      const body = bodyOf(true);
      subgroupCode ??= body === plain ? code : textOf(body, [...enable, "subgroups"]);
      return subgroupCode;
    },
    writes,
    faults,
    uniformBytes: 4 * fields.length,
    dispatch: (tensors, values, groups, faultsIn) => {
      const words = new Uint32Array(fields.length);
      const floats = new Float32Array(words.buffer);
      for (const [i, [field, type]] of uniforms.entries()) {
        const value = values[field as U];
        if (type === "f32") floats[i] = value;
        else words[i] = value;
      }
      return { shader: made, tensors: bindings.map(([field]) => tensors[field as B]), words, groups, faultsIn };
    },
  };
  return made;
}

/** Returns `make`, which makes a shader for each different list of arguments once. */
export function variants<A extends readonly (string | number | boolean)[], S>(
  make: (...args: A) => S,
): (...args: A) => S {
  const known = new Map<string, S>();
  return (...args) => {
    const key = args.join("|");
    const found = known.get(key);
    if (found) return found;
    const made = make(...args);
    known.set(key, made);
    return made;
  };
}

/** The most workgroups in one dimension, by WebGPU's defaults. */
const mostGroups = 65535;

/** The workgroups of `count` pieces of work, `each` in one group; many are folded into rows. */
export function spread(count: number, each: number): Groups {
  const groups = Math.ceil(count / each);
  if (groups <= mostGroups) return [groups, 1, 1];
  const rows = Math.ceil(groups / mostGroups);
  return [Math.ceil(groups / rows), rows, 1];
}

/** The entry of kernels that number their work: `index` counts invocations over `spread` groups. */
export function entry(threads: number, body: string): string {
  return `@compute @workgroup_size(${threads})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let groupIndex = group.y * groups.x + group.x;
  let index = groupIndex * ${threads}u + lane;
${body}
}`;
}
