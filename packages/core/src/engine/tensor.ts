// Declares Disposable for programs whose `lib` lacks it; `preserve` keeps this line in the published declarations.
/// <reference lib="esnext.disposable" preserve="true" />
import { type Backend, type Buffer, currentBackend, type TensorSpec } from "../backends/backend.ts";
import { byteLength, type Packing } from "../backends/packedFormat.ts";
import { inspectAsText } from "../internal/inspectAsText.ts";
import { checkDType } from "../layout/checkDType.ts";
import { type DataOf, type DType, isFloating, isPacked, type TypedArray, viewAs } from "../layout/dtype.ts";
import { bf16ToF32, f16ToF32 } from "../layout/half.ts";
import { formatShape, type NestedArray, nested, type Shape, sizeOf } from "../layout/shape.ts";
import { formatTensor } from "./formatTensor.ts";
import { type Edge, GraphNode } from "./graph.ts";
import { Holding } from "./holding.ts";
import { collectGarbageOnRead } from "./pressure.ts";
import { enterScope } from "./scope.ts";
import { Storage } from "./storage.ts";
import { finalizationTarget, watchGarbage } from "./watchGarbage.ts";

/**
 * A contiguous, row-major array of elements on a backend. It also refers to the recorded op that computed it, for
 * gradients.
 */
export class Tensor implements Disposable {
  static {
    inspectAsText(Tensor.prototype);
  }

  readonly shape: Shape;
  readonly dtype: DType;
  /** The block layout of an nf4 or fp4 weight; undefined for other dtypes. */
  readonly packing: Packing | undefined;
  /** Number of elements. */
  readonly size: number;
  /** The gradient that `backward` stored here; null before. */
  grad: Tensor | null = null;
  readonly #holding: Holding;
  /**
   * Shape, dtype and packing. One object is shared with the recorded ops that made or use the tensor, to avoid copies.
   */
  readonly #spec: TensorSpec;
  #edge: Edge | null;
  /**
   * A small object that only this tensor refers to. The finalizer is registered for this object instead of the tensor.
   * Null if no finalizer is registered.
   */
  #life: object | null = null;

  /**
   * Creates a tensor that takes over one reference to `storage`. If `owner` is true, the tensor is freed by its scope
   * or after garbage collection. Users call functions such as `tensor` and `zeros` instead.
   */
  constructor(storage: Storage, spec: TensorSpec, edge: Edge | null = null, owner = true) {
    this.shape = spec.shape;
    this.dtype = spec.dtype;
    this.packing = spec.packing;
    this.size = sizeOf(spec.shape);
    // A shape rule may return an input as the spec; keeping that input would keep it alive as long as the result.
    this.#spec = spec instanceof Tensor ? spec.#spec : spec;
    this.#edge = edge;
    this.#holding = new Holding(storage, owner && edge?.node.op ? edge.node : null);
    if (owner) this.track();
  }

  /** Number of dimensions. */
  get ndim(): number {
    return this.shape.length;
  }

  /** The tensor's memory. Throws if the tensor was freed. */
  get storage(): Storage {
    const { storage, takenBack } = this.#holding;
    if (storage) return storage;
    throw new Error(
      takenBack
        ? `this tensor ${formatShape(this.shape)} of ${this.node?.op?.definition.name} was freed automatically after its backward pass, since memory grew: read it before the next step, or keep() it`
        : `this tensor ${formatShape(this.shape)} was freed (by dispose, using, or the end of its scope): return it from the scope or keep() it`,
    );
  }

  get isDisposed(): boolean {
    return this.#holding.storage === null;
  }

  /**
   * The node of the recorded graph that produced the tensor, or the leaf node that collects its gradient. Null if no
   * gradient flows.
   */
  get node(): GraphNode | null {
    return this.#edge === null ? null : this.#edge.node;
  }

  /** @internal The output of a graph node to which this tensor's gradient flows; null if none flows. */
  get edge(): Edge | null {
    return this.#edge;
  }

  /** True for a tensor that no recorded op made. `backward` stores gradients only on leaves. */
  get isLeaf(): boolean {
    return !this.#edge?.node.op;
  }

  get requiresGrad(): boolean {
    return this.#edge !== null;
  }

  set requiresGrad(value: boolean) {
    if (value === this.requiresGrad) return;
    if (!this.isLeaf) {
      throw new Error("requiresGrad can only be changed on leaf tensors; use detach() to get one from a result");
    }
    if (value && !isFloating(this.dtype)) {
      throw new Error(`a ${this.dtype} tensor ${formatShape(this.shape)} cannot require gradients; use a float dtype`);
    }
    this.#edge = value ? { node: new GraphNode(this, null), index: 0 } : null;
  }

  /** @internal Shape, dtype and packing, without the data. */
  spec(): TensorSpec {
    return this.#spec;
  }

  /** @internal The backend's buffer that holds the data. */
  get buffer(): Buffer {
    return this.storage.buffer;
  }

  /**
   * @internal Sets the `precision` of the tensor's buffer to the current matmul precision. Backends may pack the
   * values for products with this precision. An op calls this method for each weight that it multiplies by. Only
   * parameters implement it; for other tensors it does nothing.
   */
  notePrecision(): void {}

  /** @internal Returns a second handle on the same memory and history. The caller must free it. */
  alias(): Tensor {
    return new Tensor(this.storage.retain(), this.#spec, this.#edge, false);
  }

  /** Returns a tensor with the same memory but without history: no gradient flows through it. */
  detach(): Tensor {
    return new Tensor(this.storage.retain(), this.#spec);
  }

  /** Reads the raw bytes, little-endian, as stored in memory. */
  async bytes(): Promise<Uint8Array> {
    // The read begins before the first await, so the caller may free the tensor while it waits.
    const bytes = await this.#read();
    await collectGarbageOnRead();
    return bytes;
  }

  /**
   * Reads the elements: a Float32Array for the float dtypes (f16 and bf16 widened), an Int32Array for i32, else a
   * Uint8Array. If you pass the dtype, as in `data("i32")`, TypeScript infers the array type. The call then throws if
   * the tensor has another dtype.
   */
  async data<D extends DType = DType>(dtype?: D): Promise<DataOf<D>> {
    this.#expect("data", dtype);
    return this.#decode(await this.bytes()) as DataOf<D>;
  }

  /** Like `data()`, but synchronous. Works only on backends whose memory is host memory (wasm, reference). */
  dataSync<D extends DType = DType>(dtype?: D): DataOf<D> {
    this.#expect("dataSync", dtype);
    const bytes = this.#read();
    if (bytes instanceof Promise) {
      throw new Error(`dataSync: the ${this.storage.backend.name} backend reads asynchronously; use await data()`);
    }
    return this.#decode(bytes) as DataOf<D>;
  }

  #expect(name: string, dtype: DType | undefined): void {
    if (dtype === undefined || dtype === this.dtype) return;
    checkDType(name, dtype);
    throw new Error(
      `${name}: the tensor ${formatShape(this.shape)} is ${this.dtype}, not ${dtype}; convert it first, with to("${dtype}")`,
    );
  }

  /** Returns the elements in nested arrays, as `tensor` accepts them: booleans for a bool tensor, otherwise numbers. */
  async toArray(): Promise<NestedArray> {
    return nested(await this.data(), this.shape, this.dtype === "bool");
  }

  /**
   * Returns the tensor's values in NumPy's format (shortened if there are many), its shape and its dtype. The values
   * are left out if the device can be read only asynchronously.
   */
  toString(): string {
    return formatTensor(this, this.#holding.storage);
  }

  /** Returns the only element. Throws unless the tensor has exactly one. */
  async item(): Promise<number> {
    return this.#single(await this.data());
  }

  /** Like `item()`, but synchronous. Works only on backends whose memory is host memory (wasm, reference). */
  itemSync(): number {
    return this.#single(this.dataSync());
  }

  #read(): Uint8Array | Promise<Uint8Array> {
    return this.storage.backend.read(this.storage.buffer, 0, byteLength(this));
  }

  #single(data: TypedArray): number {
    if (this.size !== 1)
      throw new Error(`item: the tensor ${formatShape(this.shape)} has ${this.size} elements, not 1`);
    return data[0];
  }

  #decode(bytes: Uint8Array): Float32Array | Int32Array | Uint8Array {
    if (isPacked(this.dtype)) {
      throw new Error(
        `a packed ${this.dtype} tensor ${formatShape(this.shape)} has no plain elements: use t.to("f32")`,
      );
    }
    const raw = viewAs(this.dtype, bytes.buffer, bytes.byteOffset, this.size);
    if (!(raw instanceof Uint16Array)) return raw;
    const out = new Float32Array(this.size);
    if (this.dtype === "bf16") bf16ToF32(raw, out);
    else f16ToF32(raw, out);
    return out;
  }

  /** Frees the memory now, unless another tensor or a recorded op still uses it. Do not use the tensor afterwards. */
  dispose(): void {
    this.#holding.release();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /**
   * @internal Replaces the tensor's memory by `storage`, and releases the previous memory. Takes over the caller's
   * reference to `storage`.
   */
  replaceStorage(storage: Storage): void {
    const before = this.storage;
    this.#holding.storage = storage;
    before.release();
  }

  /**
   * @internal Makes the tensor be freed automatically: at the end of the running scope or, if no scope is running,
   * after garbage collection.
   */
  track(): void {
    if (!enterScope(this)) this.watch();
  }

  /** @internal Marks the tensor as kept (see `keep`): backward passes do not free it. */
  hold(): void {
    this.#holding.kept = true;
  }

  /** @internal Registers a finalizer, which releases the tensor's memory and graph node after garbage collection. */
  register(): void {
    this.#life ??= finalizationTarget(this.#holding);
  }

  /**
   * @internal Queues the tensor for a finalizer, which frees its memory after garbage collection if it was not freed
   * before.
   */
  watch(): void {
    watchGarbage(this, this.storage.buffer.bytes);
  }
}

/** @internal Allocates an uninitialised tensor on a backend. */
export function allocate(spec: TensorSpec, backend: Backend = currentBackend()): Tensor {
  return new Tensor(new Storage(backend, byteLength(spec), "data"), spec);
}
