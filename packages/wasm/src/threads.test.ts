import {
  abs,
  add,
  affine,
  attention,
  cat,
  clamp,
  cos,
  cumsum,
  div,
  dropout,
  dynamicMap,
  embedding,
  eq,
  exp,
  expand,
  flip,
  full,
  Generator,
  geglu,
  gelu,
  gradients,
  init,
  linear,
  linearCrossEntropy,
  lt,
  matmul,
  maximum,
  minimum,
  mul,
  permute,
  pow,
  quantize4bit,
  reciprocal,
  relu,
  reshape,
  rmsNorm,
  rope,
  ropeTables,
  rsqrt,
  sign,
  sin,
  slice,
  softplus,
  split,
  sqrt,
  square,
  sum,
  swiglu,
  type Tensor,
  tensor,
  to,
  where,
  zeros,
} from "@lowrank/core";
import {
  adagradStep,
  adam8bitBlockSize,
  adamStep,
  adamStep8bit,
  clipToNorm,
  gradNorm,
  loraLinear,
  rmspropStep,
  scaleInPlace,
  sgdStep,
} from "@lowrank/core/internal";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type WasmBackend, wasm } from "./index.ts";

/** A grain this small divides every divisible kernel call. */
const grain = 1;

/** Counts of threads. Each build has one of the others, since both builds cut calls in the same way. */
const counts = { simd: [1, 3], relaxed: [1, 2] } as const;

/** Runs `work` on backends with several counts of threads; all must give the same bytes. */
async function expectSameBits(backends: readonly WasmBackend[], work: () => Promise<Uint8Array[]>) {
  let expected: Uint8Array[] | undefined;
  for (const backend of backends) {
    await init(backend);
    const results = await work();
    expected ??= results;
    for (const [i, bytes] of results.entries()) {
      const at = bytes.findIndex((byte, j) => byte !== expected![i]![j]);
      if (at >= 0) throw new Error(`${backend.threads} threads: result ${i} differs at byte ${at}`);
    }
  }
}

async function bytesOf(tensors: readonly Tensor[]): Promise<Uint8Array[]> {
  return Promise.all(tensors.map(async (t) => new Uint8Array((await t.data()).buffer)));
}

function random(seed: number): (...shape: number[]) => Tensor {
  let state = seed;
  return (...shape) => {
    const values = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state / 2 ** 31 - 1;
    });
    return tensor(values, { shape });
  };
}

/** Token ids in a fixed pseudo-random order. */
function ids(count: number, vocab: number, ...shape: number[]): Tensor {
  return tensor(
    Array.from({ length: count }, (_, i) => (i * 31 + 7) % vocab),
    { shape, dtype: "i32" },
  );
}

/** Loss, gradients and AdamW's results of a step of a small decoder. */
async function trainingStep(): Promise<Uint8Array[]> {
  const [batch, tokens, width, heads, kvHeads, hidden, vocab] = [3, 67, 48, 4, 2, 130, 301];
  const make = random(1);
  const weight = (...shape: number[]) => {
    const w = make(...shape);
    w.requiresGrad = true;
    return w;
  };
  const [table, norm] = [weight(vocab, width), weight(width)];
  const [q, k, v, o] = [heads, kvHeads, kvHeads]
    .map((h) => weight((h * width) / heads, width))
    .concat(weight(width, width));
  const [gate, up, down] = [weight(hidden, width), weight(hidden, width), weight(width, hidden)];
  const weights = [table!, norm!, q!, k!, v!, o!, gate!, up!, down!];
  const { cos, sin } = ropeTables([1, 0.5, 0.2, 0.1, 0.05, 0.01], tokens);
  const labels = ids(batch * tokens, vocab, batch, tokens);
  const split = (x: Tensor, w: Tensor, h: number) => reshape(linear(x, w), [batch, tokens, h, width / heads]);

  const x = embedding(table!, ids(batch * tokens, vocab - 1, batch, tokens));
  const y = rmsNorm(x, norm!, { eps: 1e-5 });
  const turned = [q!, k!].map((w, i) => rope(split(y, w, [heads, kvHeads][i]!), cos, sin, {}));
  const mixed = attention(turned[0]!, turned[1]!, split(y, v!, kvHeads), { causal: true });
  const z = add(x, linear(reshape(mixed, [batch, tokens, width]), o!));
  const out = add(z, linear(swiglu(linear(z, gate!), linear(z, up!)), down!));
  const loss = linearCrossEntropy(out, table!, labels, { ignoreIndex: 3 });
  const grads = gradients(loss, weights);
  const settings = { lr: 1e-2, beta1: 0.9, beta2: 0.99, eps: 1e-8, weightDecay: 0.1, step: 1, decoupled: true };
  const length = gradNorm(...grads);
  clipToNorm(...grads, length, { maxNorm: 0.1 });
  const steps = weights.flatMap((w, i) => [w.detach(), grads[i]!, zeros(w.shape), zeros(w.shape)]);
  adamStep(...steps, settings);
  return bytesOf([loss, length, ...grads, ...steps]);
}

/** Products on every path of the kernel: rows, dots, gathered columns, tiles, and depths of several blocks. */
async function products(): Promise<Uint8Array[]> {
  const results: Tensor[] = [];
  const make = random(2);
  for (const [m, n, k] of [
    [1, 301, 70],
    [2, 530, 300],
    [16, 90, 200],
    [300, 5, 257],
    [301, 3, 300],
    [61, 203, 130],
    [260, 530, 33],
    [530, 150, 270],
  ] as const) {
    for (const transposeA of [false, true]) {
      for (const transposeB of [false, true]) {
        const a = transposeA ? make(k, m) : make(m, k);
        const b = transposeB ? make(n, k) : make(k, n);
        results.push(matmul(a, b, { transposeA, transposeB }));
        if (!transposeA) results.push(matmul(a, to(b, { dtype: "bf16" }), { transposeB }));
      }
    }
  }
  for (const rows of [40, 300]) {
    const inputs = [make(rows, 90), make(130, 90), make(7, 90), make(130, 7)] as const;
    for (const input of inputs) input.requiresGrad = true;
    const out = loraLinear(...inputs, { scaling: 0.7 });
    results.push(out, ...gradients(mul(out, make(...out.shape)).sum(), [...inputs]));
  }
  return bytesOf(results);
}

/** Attention and its gradients, with few and with many queries, grouped heads, a window, a cap and a mask. */
async function attentions(): Promise<Uint8Array[]> {
  const results: Tensor[] = [];
  const make = random(3);
  for (const [queries, keys, options] of [
    [70, 70, { causal: true }],
    [3, 300, { causal: true, window: 90 }],
    [130, 130, { causal: true, softcap: 5 }],
    [65, 80, {}],
  ] as const) {
    const inputs = [make(2, queries, 6, 20), make(2, keys, 3, 20), make(2, keys, 3, 20)];
    for (const input of inputs) input.requiresGrad = true;
    const out = attention(inputs[0]!, inputs[1]!, inputs[2]!, options);
    results.push(out, ...gradients(mul(out, make(...out.shape)).sum(), inputs));
  }
  return bytesOf(results);
}

/**
 * Elementwise functions and selections, broadcast from either side, over a length that is not a multiple of any part's.
 */
async function elementwise(): Promise<Uint8Array[]> {
  const make = random(4);
  const [x, y, row, column, single] = [make(37, 259), make(37, 259), make(259), make(37, 1), make(1)] as const;
  const line = make(4097);
  const unary = [sqrt, rsqrt, reciprocal, square, abs, sign, relu, softplus, sin, cos, exp, gelu];
  const results = unary.map((f) => f(x));
  results.push(affine(x, { scale: 3, shift: -1 }), clamp(x, { min: -0.5, max: 0.3 }));
  for (const f of [maximum, minimum, pow, div]) for (const other of [y, row, column, single]) results.push(f(x, other));
  for (const f of [maximum, lt]) results.push(f(line, single), f(single, line), f(line, line));
  for (const other of [y, row, column]) {
    const [less, same] = [lt(x, other), eq(to(x, { dtype: "i32" }), to(other, { dtype: "i32" }))];
    results.push(less, same, where(less, x, other), where(lt(column, 0), other, x));
  }
  for (const params of [{}, { approximate: "tanh" }] as const) results.push(geglu(x, y, params));
  const generator = new Generator(5);
  for (const t of [x, line]) results.push(dropout(t, { p: 0.3, generator }));
  for (const dtype of ["f16", "bf16", "i32", "u8", "bool"] as const) {
    const cast = to(affine(line, { scale: 3 }), { dtype });
    results.push(cast, to(cast, { dtype: "f32" }));
  }
  for (const params of [
    { quantType: "nf4", doubleQuant: true },
    { quantType: "fp4", blockSize: 256 },
  ] as const) {
    results.push(to(quantize4bit(x, params), { dtype: "f32" }));
  }
  return bytesOf(results);
}

/** Moves, selections and sums of elements, along each dimension. */
async function moved(): Promise<Uint8Array[]> {
  const make = random(6);
  const x = make(3, 41, 5, 67);
  const results: Tensor[] = [];
  for (const dims of [
    [1, 0, 2, 3],
    [0, 2, 1, 3],
    [3, 2, 1, 0],
    [0, 1, 3, 2],
  ]) {
    for (const t of [x, to(x, { dtype: "bf16" })]) results.push(permute(t, dims));
  }
  results.push(permute(make(70, 90), [1, 0]));
  for (const dim of [0, 1, 2, 3]) {
    results.push(
      slice(x, { dim, start: 1 }),
      cat([x, x], { dim }),
      sum(x, { dim }),
      cumsum(x, { dim }),
      flip(x, [dim]),
    );
    results.push(...split(x, [1, x.shape[dim]! - 1], { dim }));
  }
  results.push(sum(x), sum(x, { dim: [0, 3] }), sum(make(500, 130), { dim: 0 }));
  results.push(expand(make(41, 1), [41, 67]), expand(make(1, 67), [41, 67]), expand(make(1), [4097]), full([4097], 2));
  results.push(embedding(make(30, 13), ids(200, 30, 200)));
  return bytesOf(results);
}

/** Two steps of every optimiser except f32 Adam, which is part of `trainingStep`. */
async function optimisers(): Promise<Uint8Array[]> {
  const make = random(7);
  const size = 50_001;
  const p = make(size);
  const zero = () => zeros([size]);
  const [momentum, squares, mean, buffer] = [zero(), zero(), zero(), zero()];
  const codes = [0, 1].map(() => zeros([size], { dtype: "u8" })) as [Tensor, Tensor];
  const scales = [0, 1].map(() => zeros([Math.ceil(size / adam8bitBlockSize)])) as [Tensor, Tensor];
  const tables = [true, false].map((signed) => tensor(dynamicMap({ signed }))) as [Tensor, Tensor];
  for (const step of [1, 2]) {
    const grad = make(size);
    const settings = { lr: 0.01, weightDecay: 0.1, eps: 1e-8 };
    const sgd = { ...settings, dampening: 0.1, nesterov: false, first: step === 1 };
    sgdStep(p, grad, { ...sgd, momentum: 0 });
    sgdStep(p, grad, momentum, { ...sgd, momentum: 0.9 });
    adagradStep(p, grad, squares, settings);
    rmspropStep(p, grad, mean, { ...settings, alpha: 0.9, momentum: 0 });
    rmspropStep(p, grad, mean, buffer, { ...settings, alpha: 0.9, momentum: 0.5 });
    adamStep8bit(p, grad, ...codes, ...scales, ...tables, { ...settings, beta1: 0.9, beta2: 0.99, step });
    scaleInPlace(p, { factor: 0.9 });
  }
  return bytesOf([p, momentum, squares, mean, buffer, ...codes, ...scales]);
}

for (const build of ["simd", "relaxed"] as const) {
  describe(`any count of threads gives the same bits, ${build}`, () => {
    const backends: WasmBackend[] = [];
    beforeAll(async () => {
      for (const threads of counts[build]) {
        const backend = await wasm({ build, threads, grain });
        expect(backend.threads).toBe(threads);
        backends.push(backend);
      }
    });
    afterAll(() => {
      for (const backend of backends) backend.dispose();
    });

    const work = { products, attentions, trainingStep, elementwise, moved, optimisers };
    for (const [name, run] of Object.entries(work)) it(name, () => expectSameBits(backends, run));
  });
}

describe("threads", () => {
  it("see memory that grows while they run", async () => {
    const backend = await wasm({ threads: 2, grain });
    const before = backend.heapStats().length;
    const x = tensor(new Float32Array(3 * 2 ** 20).fill(2), { shape: [3 * 2 ** 10, 2 ** 10], backend });
    const sums = matmul(add(x, x), x, { transposeA: true });
    expect(backend.heapStats().length).toBeGreaterThan(before);
    expect((await sums.data()).every((value) => value === 8 * 3 * 2 ** 10)).toBe(true);
    backend.dispose();
  });

  it("work on as one after dispose", async () => {
    const backend = await wasm({ threads: 2, grain });
    backend.dispose();
    expect(backend.threads).toBe(1);
    const x = tensor([1, 2, 3, 4], { shape: [2, 2], backend });
    expect([...(await matmul(x, x).data())]).toEqual([7, 10, 15, 22]);
  });

  it("are one, with one notice, where memory cannot be shared", async () => {
    const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
    vi.stubGlobal("SharedArrayBuffer", undefined);
    try {
      const backend = await wasm({ threads: 2 });
      expect(backend.threads).toBe(1);
      const x = tensor([1, 2, 3, 4], { shape: [2, 2], backend });
      expect([...(await matmul(x, x).data())]).toEqual([7, 10, 15, 22]);
      expect(warn.mock.calls).toEqual([[expect.stringMatching(/^wasm: one thread.*Cross-Origin-Opener-Policy/)]]);
    } finally {
      vi.unstubAllGlobals();
      warn.mockRestore();
    }
  });

  it("start in a page from an address that is given", async () => {
    const backend = await wasm({ threads: 2, grain, workerUrl: new URL("./threads/worker.ts", import.meta.url) });
    expect(backend.threads).toBe(2);
    const x = full([2 ** 10, 2 ** 10], 1, { backend });
    expect((await matmul(x, x).data()).every((value) => value === 2 ** 10)).toBe(true);
    backend.dispose();
  });

  it("are one, with a notice, where a page finds no script at that address", async () => {
    const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
    try {
      const backend = await wasm({ threads: 2, workerUrl: new URL("./none.js", import.meta.url) });
      // In Node, workers start from the module itself.
      const inPage = "Worker" in globalThis;
      expect(backend.threads).toBe(inPage ? 1 : 2);
      const notice = /^wasm: one thread.*none\.js could not be loaded/;
      expect(warn.mock.calls).toEqual(inPage ? [[expect.stringMatching(notice)]] : []);
      backend.dispose();
    } finally {
      warn.mockRestore();
    }
  });

  it("are a whole number", async () => {
    for (const threads of [0, 1.5, 65]) {
      await expect(wasm({ threads })).rejects.toThrow(`wasm: threads is ${threads}; give a whole number from 1 to 64`);
    }
  });
});
