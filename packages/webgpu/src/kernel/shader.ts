import type { GpuTensor } from "./kernel.ts";

/** The scalar types of a kernel's values. */
export type Scalar = "u32" | "i32" | "f32";

/**
 * A tensor binding: its access, "read" or "write" (which allows reading too), then the WGSL type of its elements, as in
 * "read vec4f".
 */
export type Binding = `${"read" | "write"} ${string}`;

/** The source of a kernel: its name, bindings, uniforms and WGSL. */
export interface ShaderParts<B extends string, U extends string> {
  /** The kernel's name in errors and statistics, such as "matmul 64x64". */
  readonly name: string;
  /** Tensor bindings by name: "read vec4f", "write f32". */
  readonly bindings: Readonly<Record<B, Binding>>;
  /** Scalar arguments of a call; the code reads them as `u.name`. */
  readonly uniforms: Readonly<Record<U, Scalar>>;
  /** WGSL extensions that the code enables. The device must have the matching feature. */
  readonly enable?: readonly "f16"[];
  /**
   * True if the code calls `fault(i)` when the element at position i is invalid (for example an index out of range). If
   * there are several calls, the error names the lowest position.
   */
  readonly faults?: boolean;
  /**
   * WGSL with an entry point `main`, or a function that returns such WGSL. The function's argument is true if subgroup
   * operations may be used.
   */
  readonly code: string | ((subgroups: boolean) => string);
}

/** Workgroup counts in three dimensions. */
export type Groups = readonly [x: number, y: number, z: number];

/** A run of a kernel: the tensors that it binds, its uniforms, and its workgroups. */
export interface Dispatch {
  readonly shader: Shader;
  readonly tensors: readonly GpuTensor[];
  /** The 32-bit words of the uniforms, in the order of their declaration. */
  readonly words: Uint32Array;
  readonly groups: Groups;
  /** The tensor to which positions passed to `fault` refer. The error reports the element at the position. */
  readonly faultsIn?: GpuTensor;
}

/** A kernel's WGSL and its bindings. Make each shader once, since compiled pipelines are cached by this object. */
export interface Shader<B extends string = string, U extends string = string> {
  readonly name: string;
  readonly code: string;
  /** The WGSL for devices with subgroups; equal to `code` if the kernel does not use them. */
  readonly subgroupCode: string;
  /** For each tensor in order, true if the kernel writes to it. */
  readonly writes: readonly boolean[];
  readonly faults: boolean;
  /** Size of the uniforms in bytes. */
  readonly uniformBytes: number;
  /** Makes a dispatch. A kernel that calls `fault` also passes the tensor to which the positions refer. */
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

/** Makes a shader. Puts declarations of the uniforms and the bindings, in the given order, before its code. */
export function shader<B extends string, U extends string>(parts: ShaderParts<B, U>): Shader<B, U> {
  const { name, enable = [], faults = false } = parts;
  const bindings = Object.entries<string>(parts.bindings);
  const uniforms = Object.entries<Scalar>(parts.uniforms);
  const writes = bindings.map(([, text]) => text.startsWith("write "));
  // WGSL does not allow an empty struct, so a kernel without uniforms gets an unused one.
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

/** Memoises `make`: the returned function makes one shader for each distinct list of arguments. */
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

/** Maximum number of workgroups in one dimension, by WebGPU's default limits. */
const mostGroups = 65535;

/**
 * Returns the workgroup counts for `count` work items, `each` items per workgroup. Large counts use several dimensions.
 */
export function spread(count: number, each: number): Groups {
  const groups = Math.ceil(count / each);
  const rows = Math.max(Math.ceil(groups / mostGroups), 1);
  return [Math.ceil(groups / rows), rows, 1];
}

/**
 * Returns the WGSL entry point of a kernel with one thread per work item. In `body`, `index` is the index of the
 * thread's item. Dispatch the kernel with the workgroup counts of `spread`. The last threads have indices beyond the
 * last item, which `body` must skip.
 */
export function entry(threads: number, body: string): string {
  return `@compute @workgroup_size(${threads})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let groupIndex = group.y * groups.x + group.x;
  let index = groupIndex * ${threads}u + lane;
${body}
}`;
}
