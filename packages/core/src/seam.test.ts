import { describe, expect, it } from "vitest";
import {
  add,
  type Backend,
  cat,
  currentBackend,
  defineOp,
  geglu,
  init,
  matmul,
  memory,
  meta,
  mul,
  type Op,
  reference,
  scope,
  sync,
  type Tensor,
  type TensorRef,
  tensor,
  toBackend,
  withBackend,
} from "./index.ts";
import { adamStep, clipToNorm, gradNorm } from "./internal.ts";

const numbers = async (t: Tensor) => Array.from(await t.data());

/** Returns the reference backend with a tensor limit, and a function for the largest number of tensors in one call. */
function narrow(maxTensors: number): { backend: Backend; most: () => number } {
  const host = reference();
  let most = 0;
  const run: Backend["run"] = (op, inputs, outputs, params) => {
    most = Math.max(most, inputs.length);
    host.run(op, inputs, outputs, params);
  };
  return { backend: { ...host, maxTensors, run }, most: () => most };
}

const settings = { lr: 0.1, beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0.01, step: 1, decoupled: true };

describe.each([4, 5, 6, 11])("a backend that takes %i tensors at a time", (maxTensors) => {
  const values = Array.from({ length: 13 }, (_, i) => [i - 6, i / 3]);
  const on = (backend: Backend, requiresGrad = false) => values.map((v) => tensor(v, { backend, requiresGrad }));

  it("steps, measures and clips as one that takes all", async () => {
    const { backend, most } = narrow(maxTensors);
    const outcomes = [reference(), backend].map((at) => {
      const [params, grads, first, second] = [0, 1, 2, 3].map(() => on(at));
      adamStep(...params.flatMap((p, i) => [p, grads[i], first[i], mul(second[i], second[i])]), settings);
      const norm = gradNorm(...grads);
      clipToNorm(...grads, norm, { maxNorm: 1 });
      return [norm, ...params, ...grads];
    });
    const [expected, actual] = await Promise.all(outcomes.map((tensors) => Promise.all(tensors.map(numbers))));
    for (const [i, e] of expected.entries()) for (const [j, v] of e.entries()) expect(actual[i][j]).toBeCloseTo(v, 5);
    expect(most()).toBe(maxTensors);
  });

  it("joins with the same gradients", async () => {
    const { backend, most } = narrow(maxTensors);
    const [expected, actual] = await Promise.all(
      [reference(), backend].map(async (at) => {
        const parts = on(at, true);
        const weights = tensor(
          Array.from({ length: 26 }, (_, i) => i),
          { backend: at },
        );
        const joined = cat(parts);
        joined.mul(weights).sum().backward();
        return [await numbers(joined), ...(await Promise.all(parts.map(({ grad }) => numbers(grad as Tensor))))];
      }),
    );
    expect(actual).toEqual(expected);
    expect(most()).toBeLessThanOrEqual(maxTensors);
  });

  it("leaves no memory", () => {
    const { backend } = narrow(maxTensors);
    const before = memory().buffers;
    scope(() => {
      const parts = on(backend);
      gradNorm(...parts);
      cat(parts);
    });
    expect(memory().buffers).toBe(before);
  });
});

describe("supports", () => {
  it("is asked with shapes, dtypes and parameters, and decides between kernel and composition", async () => {
    let calls = 0;
    const scaled: Op<1, { by: number }> = defineOp<1, { by: number }>({
      name: "test/scaled",
      arity: 1,
      shape: ([x]) => x,
      ref: ([x], [out], { by }) => {
        calls++;
        for (let i = 0; i < out.size; i++) out.data[i] = x.data[i] * by;
      },
      compose: ([x], { by }) => mul(x, by),
    });
    const host = reference();
    const backend: Backend = {
      ...host,
      supports: (op, inputs, params) =>
        op.name === "test/scaled"
          ? inputs[0].shape[0] < 3 && (params as { by: number }).by > 0
          : host.supports(op, inputs, params),
    };
    const run = (values: number[], by: number) => numbers(scaled(tensor(values, { backend }), { by }));
    expect(await run([1, 2], 2)).toEqual([2, 4]);
    expect(calls).toBe(1);
    expect(await run([1, 2, 3], 2)).toEqual([2, 4, 6]);
    expect(await run([1, 2], -2)).toEqual([-2, -4]);
    expect(calls).toBe(1);
  });
});

/** Returns a third-party backend: its own memory, asynchronous reads, and kernels only for matmul and add. */
function stranger(): Backend & { calls: string[] } {
  const memories = new Map<unknown, Float32Array>();
  const of = ({ buffer }: TensorRef) => memories.get(buffer) as Float32Array;
  const kernels: Record<string, (inputs: readonly TensorRef[], out: Float32Array) => void> = {
    add: ([a, b], out) => out.set(of(a).map((value, i) => value + of(b)[i])),
    matmul: ([a, b], out) => {
      const [[rows, inner], [, columns]] = [a.shape, b.shape];
      for (let i = 0; i < rows * columns; i++) {
        const [row, column] = [Math.floor(i / columns), i % columns];
        out[i] = 0;
        for (let k = 0; k < inner; k++) out[i] += of(a)[row * inner + k] * of(b)[k * columns + column];
      }
    },
  };
  const calls: string[] = [];
  return {
    name: "stranger",
    calls,
    alloc: (bytes) => {
      const buffer = { bytes };
      memories.set(buffer, new Float32Array(Math.ceil(bytes / 4)));
      return buffer;
    },
    free: (buffer) => void memories.delete(buffer),
    write: (buffer, bytes, offset = 0) =>
      new Uint8Array(memories.get(buffer)?.buffer as ArrayBuffer).set(bytes, offset),
    fill: (buffer, word) => void new Int32Array(memories.get(buffer)?.buffer as ArrayBuffer).fill(word),
    read: async (buffer, from, to) => new Uint8Array(memories.get(buffer)?.buffer as ArrayBuffer).slice(from, to),
    supports: ({ name }, inputs, params) => {
      const plain = Object.values((params as object | undefined) ?? {}).every((flag) => !flag);
      return name in kernels && plain && inputs.every(({ shape }) => shape.length === 2);
    },
    run: ({ name }, inputs, outputs) => {
      calls.push(name);
      kernels[name](inputs, of(outputs[0]));
    },
  };
}

describe("a backend from outside, with kernels for two ops", () => {
  /** Computes a b + a c in one op. */
  const products: Op<3> = defineOp<3>({
    name: "test/products",
    arity: 3,
    shape: ([a, b]) => ({ shape: [a.shape[0], b.shape[1]], dtype: "f32" }),
    compose: ([a, b, c]) => add(matmul(a, b), matmul(a, c)),
  });
  const square = (backend: Backend, ...values: number[]) => tensor(values, { shape: [2, 2], backend });

  it("runs a composition of them and leaves no memory", async () => {
    const backend = stranger();
    const before = memory().buffers;
    const y = scope(() =>
      products(square(backend, 1, 2, 3, 4), square(backend, 1, 0, 0, 1), square(backend, 0, 1, 1, 0)),
    );
    expect(await numbers(y)).toEqual([3, 3, 7, 7]);
    expect(backend.calls).toEqual(["matmul", "matmul", "add"]);
    y.dispose();
    expect(memory().buffers).toBe(before);
  });

  it("says so where an op has neither a kernel nor a composition, and where a read must wait", () => {
    const backend = stranger();
    const bare: Op<1> = defineOp<1>({ name: "test/bare", arity: 1, shape: ([x]) => x, ref: () => {} });
    expect(() => bare(square(backend, 1, 2, 3, 4))).toThrow(
      "test/bare: the stranger backend has no kernel for this op",
    );
    expect(() => square(backend, 1, 2, 3, 4).dataSync()).toThrow("use await data()");
  });
});

describe("toBackend", () => {
  it("copies numbers, dtype and the wish for gradients", async () => {
    const [from, to] = [reference(), reference()];
    const x = tensor([1, 2, 3], { backend: from, dtype: "bf16", requiresGrad: true });
    const moved = await toBackend(x, to);
    expect(moved.storage.backend).toBe(to);
    expect([moved.dtype, moved.requiresGrad, moved.isLeaf]).toEqual(["bf16", true, true]);
    expect(await numbers(moved)).toEqual([1, 2, 3]);
  });

  it("shares the memory where the tensor is there already, and gives shapes to a backend without data", async () => {
    const backend = reference();
    const x = tensor([1, 2, 3], { backend });
    expect((await toBackend(x, backend)).storage).toBe(x.storage);
    expect((await toBackend(x, meta())).shape).toEqual([3]);
  });
});

describe("sync", () => {
  it("waits for a backend that records, and passes its error on", async () => {
    await expect(sync({ ...reference(), sync: () => Promise.reject(new Error("late")) })).rejects.toThrow("late");
    await expect(sync(reference())).resolves.toBeUndefined();
  });
});

describe("init", () => {
  it("refuses what is no backend, such as a function that was not called", async () => {
    const before = await init(reference());
    const start = async () => reference();
    await expect(init(start as never)).rejects.toThrow(
      "init: the function start is not a backend; give a started backend, as in init(wasm())",
    );
    await expect(init(undefined as never)).rejects.toThrow(
      "init: undefined is not a backend; give a started backend, as in init(wasm())",
    );
    await expect(init({} as never)).rejects.toThrow(
      "init: [object Object] is not a backend; give a started backend, as in init(wasm())",
    );
    expect(currentBackend()).toBe(before);
  });
});

describe("an op on two backends", () => {
  it("is an error that tells them apart and names what moves a tensor", async () => {
    const [one, other] = [reference(), reference()];
    const [x, y] = [one, other].map((backend) => tensor([1], { backend }));
    expect(() => add(x, y)).toThrow(
      "add: inputs live on reference and another reference; move them to one backend by toBackend",
    );
    expect(await numbers(add(x, await toBackend(y, one)))).toEqual([2]);
  });
});

describe("meta({ like })", () => {
  const opsOf = (like?: Backend) => {
    const backend = meta({ like });
    withBackend(backend, () => {
      const x = backend.tensor({ shape: [3], dtype: "f32" });
      geglu(x, add(x, x), {});
    });
    return backend.events.map(({ buffer: { label, planned } }) => [label, planned]);
  };

  it("plans compositions, whose own tensors are freed, and aligned buffers as that backend has them", () => {
    expect(opsOf()).toEqual([
      ["data", 12],
      ["add", 12],
      ["geglu", 12],
    ]);
    expect(opsOf({ ...reference(), alignment: 16 })).toEqual([
      ["data", 16],
      ["add", 16],
      ["gelu", 16],
      ["mul", 16],
      ["gelu", 16],
    ]);
  });

  it("plans groups of tensors", () => {
    const backend = meta({ like: { ...reference(), maxTensors: 4 } });
    const parts = Array.from({ length: 8 }, () => backend.tensor({ shape: [1], dtype: "f32" }));
    cat(parts);
    expect(backend.events.filter(({ buffer: { label } }) => label === "cat").length).toBe(5);
  });
});
