import {
  type Backend,
  type BackendOp,
  type BlockFormat,
  byteLength,
  formatOf,
  fourBitLayout,
  isPacked,
  type OpDefinition,
  type Packing,
  sizeOf,
  type TensorSpec,
  viewOf,
  writeHeader,
} from "@lowrank/core/backend";
import { fromBytes, noGrad, reference, scope } from "@lowrank/core/functions";
import type { Example, ExampleInput } from "../kernel/kernel.ts";

/** Maximum error of an element, relative to the largest magnitude in the result. */
const tolerance = 1e-4;

/** The elements of a result, on the host. */
type Numbers = ArrayLike<number>;

function agree(actual: Numbers, expected: Numbers): boolean {
  const wanted = Array.from(expected);
  const largest = wanted.reduce((top, v) => (Number.isFinite(v) ? Math.max(top, Math.abs(v)) : top), 0);
  return wanted.every((e, i) => {
    const a = actual[i];
    return Number.isFinite(e) ? Math.abs(a - e) <= tolerance * largest : Object.is(a, e);
  });
}

const numbersOf = (spec: TensorSpec, bytes: Uint8Array): Numbers =>
  viewOf(spec, bytes.slice().buffer, 0).data as unknown as Numbers;

/**
 * Returns the expected results on an example. They are computed by the op's reference loops or, if it has none, by its
 * composition of other ops on the reference backend.
 */
async function expectedOf(
  op: OpDefinition<unknown>,
  inputs: readonly TensorSpec[],
  bytes: readonly Uint8Array[],
  outputs: readonly TensorSpec[],
  params: unknown,
): Promise<Numbers[]> {
  if (op.ref) {
    const views = inputs.map((spec, i) => viewOf(spec, bytes[i].slice().buffer, 0));
    const made = outputs.map((spec) => viewOf(spec, new ArrayBuffer(byteLength(spec)), 0));
    op.ref(views, made, params);
    return (outputs.length > 0 ? made : views).map(({ data }) => data as unknown as Numbers);
  }
  const host = reference();
  const tensors = scope(() => {
    const given = inputs.map(({ shape, dtype }, i) => fromBytes(bytes[i], shape, dtype, host));
    const made = noGrad(() => [op.compose?.(given, params) ?? []].flat());
    return outputs.length > 0 ? made : given;
  });
  const results = await Promise.all(tensors.map((t) => t.data()));
  for (const t of tensors) t.dispose();
  return results;
}

/**
 * Returns true if the kernel's results on an example differ from the op's reference results by at most 1e-4 of their
 * largest magnitude. For ops without outputs, which change their inputs, the inputs are compared.
 */
async function kernelAgrees<P>(backend: Backend, given: BackendOp<P>, { inputs, params }: Example): Promise<boolean> {
  const op = given as unknown as OpDefinition<unknown>;
  const specs = [op.shape(inputs, params)].flat();
  const bytes = exampleBytes(inputs);
  const place = (spec: TensorSpec) => ({ ...spec, buffer: backend.alloc(byteLength(spec)) });
  const from = inputs.map(place);
  const to = specs.map(place);
  for (const [i, { buffer }] of from.entries()) backend.write(buffer, bytes[i]);
  backend.run(op, from, to, params);
  const judged = to.length > 0 ? to : from;
  const actual = await Promise.all(judged.map(async (one) => numbersOf(one, await backend.read(one.buffer))));
  for (const { buffer } of [...from, ...to]) backend.free(buffer);
  const expected = await expectedOf(op, inputs, bytes, specs, params);
  return expected.every((numbers, i) => agree(actual[i], numbers));
}

/** A call whose kernel is to be checked. */
export interface CheckedCall {
  readonly op: BackendOp<unknown>;
  readonly inputs: readonly TensorSpec[];
  readonly params: unknown;
}

/**
 * Returns small example calls on which kernels are checked. `exampleOf` takes a call and returns undefined if the
 * kernel of that call needs no check.
 */
interface Examples {
  exampleOf<P>(op: BackendOp<P>, inputs: readonly TensorSpec[], params: P): Example<P> | undefined;
}

const kindOf = <P>({ name }: BackendOp<P>, inputs: readonly TensorSpec[]): string =>
  `"${name}" of ${[...new Set(inputs.map(({ dtype }) => dtype))].join(" and ")}`;

/**
 * Checks fused and quantised kernels on small examples. A kernel with wrong results is disabled: its op's composition
 * runs instead.
 */
export class SelfCheck {
  readonly #adapter: string;
  readonly #done = new Set<string>();
  readonly #refused = new Set<string>();

  constructor(adapter: string) {
    this.#adapter = adapter;
  }

  /** Returns true if a check of the op's kernel with inputs of these dtypes gave wrong results. */
  refuses<P>(op: BackendOp<P>, inputs: readonly TensorSpec[]): boolean {
    return this.#refused.size > 0 && this.#refused.has(kindOf(op, inputs));
  }

  /**
   * Checks the kernels of the given calls, each distinct example once. Warns about each kernel with wrong results and
   * disables it.
   */
  async check(backend: Backend, calls: readonly CheckedCall[], { exampleOf }: Examples): Promise<void> {
    for (const { op, inputs: given, params } of calls) {
      const inputs = given.map(({ shape, dtype, packing }): TensorSpec => ({ shape, dtype, packing }));
      const kind = kindOf(op, inputs);
      const example = exampleOf(op, inputs, params);
      if (!example || this.#refused.has(kind)) continue;
      const key = JSON.stringify([kind, example]);
      if (this.#done.has(key) || !backend.supports(op, example.inputs, example.params)) continue;
      this.#done.add(key);
      if (await kernelAgrees(backend, op, example)) continue;
      this.#refused.add(kind);
      console.warn(
        `webgpu: the kernel for ${kind} computes wrong values on ${this.#adapter}; other kernels do its work, more slowly`,
      );
    }
  }
}

/** Returns a function that draws pseudo-random values from 0 to 1, the same sequence each time. */
function draws(): () => number {
  let state = 1;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Returns the bytes of a packed weight with random codes, and scales of moderate size. */
function packedBytes(spec: TensorSpec, dtype: Parameters<typeof formatOf>[0], next: () => number): Uint8Array {
  const bytes = Uint8Array.from({ length: byteLength(spec) }, () => Math.floor(256 * next()));
  const format = formatOf(dtype);
  if ("block" in format) {
    const { block } = format as BlockFormat;
    for (let at = 0; at < bytes.length; at += block.bytes) {
      for (const half of block.halves) bytes[at + half + 1] = 0x2c;
    }
    return bytes;
  }
  const packing = spec.packing as Packing;
  const size = sizeOf(spec.shape);
  const { absmax, nested } = fourBitLayout(size, packing);
  writeHeader(bytes, size, packing, 0.25);
  const view = new DataView(bytes.buffer);
  for (let at = nested || absmax; at < bytes.length; at += 4) view.setFloat32(at, 0.01 + 0.1 * next(), true);
  return bytes;
}

/** Returns the bytes of each input of an example, drawn at random unless `values` sets them. */
export function exampleBytes(inputs: readonly ExampleInput[]): Uint8Array[] {
  const next = draws();
  return inputs.map((input) => {
    const { shape, dtype, positive = false, below = 2, values } = input;
    if (isPacked(dtype)) return packedBytes(input, dtype, next);
    const size = sizeOf(shape);
    const sign = (): number => (next() < 0.5 ? 0x8000 : 0);
    const part = (range: number): number => Math.floor(range * next());
    const made = {
      f32: () => Float32Array.from({ length: size }, (_, i) => values?.[i] ?? (positive ? next() : 2 * next() - 1)),
      f16: () => Uint16Array.from({ length: size }, () => sign() + 0x3400 + part(0x800)),
      bf16: () => Uint16Array.from({ length: size }, () => sign() + 0x3e00 + part(0x180)),
      i32: () => Int32Array.from({ length: size }, (_, i) => values?.[i] ?? part(below)),
      u8: () => Uint8Array.from({ length: size }, () => part(below)),
      bool: () => Uint8Array.from({ length: size }, () => part(2)),
    }[dtype as "f32"]();
    return new Uint8Array(made.buffer);
  });
}
