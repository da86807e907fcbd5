import { beforeAll, describe, expect, it } from "vitest";
import { definedOps, type OpDefinition } from "../engine/op.ts";
import {
  attention,
  type Backend,
  cat,
  currentBackend,
  Generator,
  gradients,
  init,
  noGrad,
  randn,
  reference,
  scope,
  sum,
  type Tensor,
  tensor,
  withBackend,
  zeros,
} from "../index.ts";
import { adamStep, clipToNorm, gradNorm, lowRankRows } from "../internal.ts";
import type { OpCase } from "../testing/cases.ts";
import { deferred, expectClose, opCases, primitives } from "../testing/index.ts";
import { inputValues, makeInput } from "../testing/input.ts";
import * as ops from "./index.ts";
import { linearCrossEntropyOp } from "./losses/linearCrossEntropy.ts";

beforeAll(async () => {
  await init(reference());
});

const numbers = (t: Tensor) => Array.from(t.dataSync() as Float32Array);
const definitionOf = (name: string) => definedOps().get(name) as unknown as OpDefinition<unknown>;
const sizeOf = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);
const floatsOf = ({ inputs, gradients }: OpCase) =>
  gradients ?? inputs.flatMap(({ dtype = "f32" }, i) => (dtype === "f32" ? [i] : []));

/** Returns the gradients of the `wanted` inputs, with the outputs weighted at random. */
function gradientsOf({ inputs, run }: OpCase, wanted: readonly number[]): Tensor[] {
  const generator = new Generator(1);
  const tensors = inputs.map((input) => makeInput(input, inputValues(input, generator), currentBackend()));
  for (const i of wanted) tensors[i].requiresGrad = true;
  const outputs = [run(tensors)].flat().filter((t) => t.requiresGrad);
  if (outputs.length === 0) return wanted.map((i) => zeros(tensors[i].shape));
  const total = outputs.map((y) => sum(y.mul(randn(y.shape, { generator }))));
  return gradients(
    total.reduce((a, b) => a.add(b)),
    wanted.map((i) => tensors[i]),
  );
}

describe("a gradient is the same where it alone is wanted", () => {
  for (const [name, cases] of Object.entries(opCases)) {
    const small = cases.filter((opCase) => {
      const sizes = opCase.inputs.map(({ shape }) => sizeOf(shape));
      return floatsOf(opCase).length > 1 && Math.max(...sizes) <= 500 && !sizes.includes(0);
    });
    // Packed weights, which are not trained, are at the end of the lists, so they are removed first.
    const chosen = small.filter(({ inputs }) => inputs.every(({ store }) => !store)).slice(-6);
    if (chosen.length === 0) continue;
    it(name, () => {
      for (const opCase of chosen) {
        const wanted = floatsOf(opCase);
        const all = gradientsOf(opCase, wanted);
        for (const [k, i] of wanted.entries()) {
          const [alone] = gradientsOf(opCase, [i]);
          const [actual, expected] = [alone, all[k]].map((t) => ({ shape: t.shape, data: t.dataSync() }));
          expectClose(`input ${i}`, actual, expected, 1e-5);
        }
      }
    });
  }
});

describe("an op writes into the inputs that it names, and into no others", () => {
  const named = new Map<string, Set<string>>();
  const written = new Map<string, Set<string>>();
  const note = (map: Map<string, Set<string>>, name: string, what: string) =>
    void map.set(name, (map.get(name) ?? new Set()).add(what));
  const base = reference();
  const watched: Backend = {
    ...base,
    run: (op, inputs, outputs, params) => {
      const before = inputs.map(({ buffer }) => base.read(buffer) as Uint8Array);
      base.run(op, inputs, outputs, params);
      const { writes } = definitionOf(op.name) ?? {};
      if (!writes) return;
      for (const [i, { buffer, shape }] of inputs.entries()) {
        const place = `${i} of ${inputs.length}`;
        const after = base.read(buffer) as Uint8Array;
        if (writes(i, inputs.length) && sizeOf(shape) > 0) note(named, op.name, place);
        if (after.some((byte, j) => byte !== before[i][j])) note(written, op.name, place);
      }
    },
  };

  it.each(Object.entries(opCases).filter(([name]) => definitionOf(name)?.writes))("%s", (name, cases) => {
    for (const { inputs, run } of cases) {
      const generator = new Generator(1);
      noGrad(() => run(inputs.map((input) => makeInput(input, inputValues(input, generator), watched))));
    }
    expect([...(named.get(name) ?? [])].sort()).toEqual([...(written.get(name) ?? [])].sort());
  });
});

describe("an op over many tensors runs in groups of at most so many", () => {
  const adam = { lr: 0.1, beta1: 0.9, beta2: 0.99, eps: 1e-8, weightDecay: 0.1, step: 2, decoupled: true };
  const many = (count: number) => new Array<number[]>(count).fill([2]);
  const rows = { rows: [[2], [0], [1]], scalings: [1, 2, 3] };
  const guard = [3];
  const inPlace = (f: (...t: Tensor[]) => void) => (t: Tensor[]) => {
    f(...t);
    return t;
  };
  it.each<[string, number, number[][], (t: Tensor[]) => Tensor | Tensor[], number[]]>([
    ["cat", 5, many(12), (t) => cat(t), [5, 5, 2, 3]],
    ["cat", 5, many(5), (t) => cat(t), [5]],
    ["cat", 5, many(6), (t) => cat(t, { dim: -1 }), [5, 1, 2]],
    ["gradNorm", 5, many(12), (t) => gradNorm(...t), [5, 5, 2, 3]],
    ["gradNorm", 6, many(12), (t) => gradNorm(...t), [6, 6, 2]],
    ["clipToNorm", 5, [...many(9), []], inPlace((...t) => clipToNorm(...t, { maxNorm: 0.1 })), [5, 5, 2]],
    ["clipToNorm", 4, [...many(7), []], inPlace((...t) => clipToNorm(...t, { maxNorm: 0.1 })), [4, 4, 2]],
    ["adamStep", 5, many(12), inPlace((...t) => adamStep(...t, adam)), [4, 4, 4]],
    ["adamStep", 8, many(12), inPlace((...t) => adamStep(...t, adam)), [8, 4]],
    ["adamStep", 9, [...many(12), guard], inPlace((...t) => adamStep(...t, { ...adam, guard: "obey" })), [9, 5]],
    ["adamStep", 8, [...many(12), guard], inPlace((...t) => adamStep(...t, { ...adam, guard: "obey" })), [5, 5, 5]],
    ["lowRankRows", 6, [[3, 3], [3, 5], ...factors()], (t) => lowRankRows(...t, rows), [6, 4]],
    ["lowRankRows", 5, [[3, 3], [3, 5], ...factors()], (t) => lowRankRows(...t, rows), [4, 4, 4]],
    ["lowRankRows", 7, [[3, 3], [3, 5], ...factors()], (t) => lowRankRows(...t, rows), [6, 4]],
  ])("%s by %i", (name, maxTensors, shapes, run, sizes) => {
    const seen: number[] = [];
    const base = reference();
    const limited: Backend = {
      ...base,
      maxTensors,
      supports: (op, inputs, params) => {
        if (op.name === name) seen.push(inputs.length);
        return base.supports(op, inputs, params);
      },
    };
    const results = [limited, reference()].map((backend) => {
      const generator = new Generator(3);
      const tensors = shapes.map((shape) => randn(shape, { generator, backend }).square());
      return noGrad(() => [run(tensors.map((t) => t.detach()))].flat().map(numbers));
    });
    expect(seen).toEqual(sizes);
    for (const [i, values] of results[0].entries()) {
      for (const [j, value] of values.entries()) expect(value).toBeCloseTo(results[1][i][j], 5);
    }
  });
});

/** Returns the shapes of pairs of factors that map 5 elements to 3. */
function factors(): number[][] {
  return [2, 1, 4].flatMap((rank) => [
    [rank, 5],
    [3, rank],
  ]);
}

describe("a fault of the data has the same error in loops, in the composition and from a kernel", () => {
  const i32 = (values: number[], shape = [values.length]) => ({ values, shape, dtype: "i32" as const });
  const f32 = (shape: number[], values?: number[]) => ({ shape, values, dtype: "f32" as const });
  type Given = ReturnType<typeof i32> | ReturnType<typeof f32>;
  const embedding = (id: number, at: number) =>
    `embedding: id ${id} at position ${at} is outside the table of 3 rows (0..2); does the tokenizer belong to this model?`;
  const label = (found: number, at: number, ignored = -100) =>
    `crossEntropy: label ${found} at position ${at} is none of the 4 classes (0..3) and not ignoreIndex ${ignored}`;
  const range = (op: string, index: number, size: number) =>
    `${op}: index ${index} is out of range for ${size} entries; use 0..${size - 1}`;
  const wants = { hidden: false, weight: false };
  const pool = [f32([1, 2, 4]), f32([3, 4, 1, 4]), f32([3, 4, 1, 4])];
  it.each<[string, Given[], object | undefined, number, number, string]>([
    ["embedding", [f32([3, 2]), i32([0, 2, 3])], undefined, 2, 3, embedding(3, 2)],
    ["embedding", [f32([3, 2]), i32([0, -1])], undefined, 1, -1, embedding(-1, 1)],
    ["embeddingBackward", [f32([2, 2]), i32([0, 3])], { vocab: 3 }, 1, 3, embedding(3, 1)],
    ["embeddingBackward", [f32([2, 2]), i32([-1, 2])], { vocab: 3 }, 0, -1, embedding(-1, 0)],
    ["indexSelect", [f32([2, 3]), i32([2, 3])], { dim: 1 }, 1, 3, range("indexSelect", 3, 3)],
    ["indexSelect", [f32([2, 3]), i32([-1])], { dim: -2 }, 0, -1, range("indexSelect", -1, 2)],
    ["indexAdd", [f32([2, 2]), i32([0, 5])], { dim: 1, size: 5 }, 1, 5, range("indexAdd", 5, 5)],
    ["indexAdd", [f32([2, 2]), i32([-1, 4])], { dim: 0, size: 5 }, 0, -1, range("indexAdd", -1, 5)],
    ["gather", [f32([2, 3]), i32([0, 3], [2, 1])], { dim: 1 }, 1, 3, range("gather", 3, 3)],
    ["gather", [f32([2, 3]), i32([1, -1], [1, 2])], { dim: -2 }, 1, -1, range("gather", -1, 2)],
    ["scatterAdd", [f32([2]), i32([0, 4])], { dim: 0, shape: [4] }, 1, 4, range("scatterAdd", 4, 4)],
    ["scatterAdd", [f32([2]), i32([-1, 3])], { dim: -1, shape: [4] }, 0, -1, range("scatterAdd", -1, 4)],
    ["oneHot", [i32([1, 4])], { classes: 4 }, 1, 4, "oneHot: label 4 at position 1 is none of the 4 classes (0..3)"],
    [
      "oneHot",
      [i32([-2, -1])],
      { classes: 4, ignoreIndex: -2 },
      1,
      -1,
      "oneHot: label -1 at position 1 is none of the 4 classes (0..3)",
    ],
    ["crossEntropy", [f32([2, 4]), i32([3, 4])], {}, 1, 4, label(4, 1)],
    ["crossEntropy", [f32([2, 4]), i32([-1, 4])], { ignoreIndex: 4 }, 0, -1, label(-1, 0, 4)],
    ["linearCrossEntropy", [f32([2, 5]), f32([4, 5]), i32([3, 4])], { wants }, 1, 4, label(4, 1)],
    ["linearCrossEntropy", [f32([2, 5]), f32([4, 5]), i32([7, -3])], { wants, ignoreIndex: 7 }, 1, -3, label(-3, 1, 7)],
    [
      "pagedWrite",
      [f32([3, 4, 5]), f32([2, 5]), i32([11, 12])],
      undefined,
      1,
      12,
      "pagedWrite: row 1 goes to slot 12, and 3 pages of 4 have slots 0..11",
    ],
    [
      "pagedAttention",
      [...pool, i32([0, 1], [1, 2]), i32([1, 0], [1, 2])],
      {},
      0,
      1,
      "pagedAttention: row 0 names sequence 1, but there are only 1 page tables",
    ],
    [
      "pagedAttention",
      [...pool, i32([0, 1], [1, 2]), i32([0, 8], [1, 2])],
      {},
      1,
      8,
      "pagedAttention: row 0 is at position 8, and a table of 2 pages of 4 reaches 0..7; make the table longer",
    ],
    [
      "pagedAttention",
      [f32([2, 2, 4]), pool[1], pool[2], i32([0, 1, 2, 3], [2, 2]), i32([0, 7, 1, 4], [2, 2])],
      {},
      7,
      3,
      "pagedAttention: row 1 reads page 3, entry 1 of its table, and the pool has pages 0..2",
    ],
    [
      "solve",
      [f32([2, 2, 2], [1, 2, 3, 4, 1, 2, 2, 4]), f32([2, 2, 1])],
      {},
      1,
      0,
      "solve: matrix 1 of A [2,2,2] is singular",
    ],
    [
      "quantizeBlockwise",
      [f32([5], [1, 2, 3, 4, Number.NaN]), f32([256])],
      { blockSize: 2 },
      2,
      0,
      "quantizeBlockwise: the elements 4 to 5 hold a NaN or an infinity",
    ],
    [
      "quantizeBlockwise",
      [f32([5], [1, 2, Infinity, 4, 0]), f32([256])],
      { blockSize: 2 },
      1,
      0,
      "quantizeBlockwise: the elements 2 to 3 hold a NaN or an infinity",
    ],
  ])("%s %#", async (name, inputs, params, at, value, message) => {
    const definition = definitionOf(name);
    for (const backend of [reference(), primitives(), deferred()]) {
      const tensors = inputs.map(({ shape, values, dtype }) => {
        const all = values ?? Array.from({ length: sizeOf(shape) }, (_, i) => i % 7);
        return tensor(all, { shape, dtype, backend });
      });
      const call = callsOf(name);
      const run = async () => {
        const results = noGrad(() => [call(tensors, params)].flat() as Tensor[]);
        await Promise.all([...results, ...tensors].map((t) => t.data()));
      };
      await expect(run(), backend.name).rejects.toThrow(message);
      expect(definition.fault?.(at, value, tensors, params).message).toBe(message);
    }
  });
});

/** Returns a function that calls the op with this name directly. */
function callsOf(name: string): (tensors: Tensor[], params: unknown) => Tensor | Tensor[] {
  const all = ops as unknown as Record<string, (...args: unknown[]) => Tensor | Tensor[]>;
  const op = name === "linearCrossEntropy" ? (linearCrossEntropyOp as unknown as typeof all.solve) : all[name];
  return (tensors, params) => op(...tensors, ...(params === undefined ? [] : [params]));
}

describe("the sizes of a call for kernels", () => {
  const spec = (...shape: number[]) => ({ shape, dtype: "f32" as const });
  const plan = (name: string, inputs: object[], outputs: object[], params: object): unknown => {
    const { plan: found } = definitionOf(name) as unknown as { plan: (...args: unknown[]) => unknown };
    return found(inputs, outputs, params);
  };
  const [q, kv] = [spec(2, 5, 6, 16), spec(2, 7, 3, 16)];
  const sizes = { batch: 2, queries: 5, keys: 7, capacity: 7, heads: 6, kvHeads: 3, group: 2, size: 16 };
  const plain = { scale: 0.25, causal: false, window: 0, softcap: 0, maskStrides: [0, 0, 0] };
  const mask = { shape: [2, 1, 1, 7], dtype: "bool" };

  it("attention", () => {
    expect(plan("attention", [q, kv, kv], [], {})).toEqual({ ...sizes, ...plain });
    const all = { causal: true, scale: 2, keyLength: 4, window: 3, softcap: 5 };
    const { keyLength: keys, ...own } = all;
    expect(plan("attention", [q, kv, kv], [], all)).toEqual({ ...sizes, ...plain, ...own, keys });
    expect(plan("attention", [q, kv, kv, mask], [], {})).toEqual({ ...sizes, ...plain, maskStrides: [7, 0, 0] });
    const lse = spec(2, 6, 5);
    expect(plan("attentionBackward", [q, q, kv, kv, q, lse, mask], [], {})).toEqual({
      ...{ ...sizes, ...plain, maskStrides: [7, 0, 0] },
    });
  });

  it("pagedAttention", () => {
    const given = [spec(5, 6, 16), spec(9, 4, 3, 16), spec(9, 4, 3, 16)];
    const lists = [
      { shape: [2, 8], dtype: "i32" },
      { shape: [5, 2], dtype: "i32" },
    ];
    const paged = {
      rows: 5,
      heads: 6,
      kvHeads: 3,
      group: 2,
      size: 16,
      pages: 9,
      pageSize: 4,
      tables: 2,
      tablePages: 8,
    };
    const found = plan("pagedAttention", [...given, ...lists], [], {});
    expect(found).toEqual({ ...paged, scale: 0.25, window: 0, softcap: 0 });
    const own = { scale: 3, window: 2, softcap: 4 };
    expect(plan("pagedAttention", [...given, ...lists], [], own)).toEqual({ ...paged, ...own });
  });

  it("loraLinear", () => {
    const given = [spec(3, 5, 12), spec(10, 12), spec(4, 12), spec(10, 4)];
    const lora = { rows: 15, rank: 4 };
    expect(plan("loraLinear", given, [], { scaling: 1 })).toEqual({ ...lora, from: 12, to: 10, down: 2, up: 3 });
    const back = [spec(3, 5, 10), ...given.slice(1)];
    expect(plan("loraLinear", back, [], { scaling: 1, transposed: true })).toEqual({
      ...{ ...lora, from: 10, to: 12, down: 3, up: 2 },
    });
  });

  it("windows", () => {
    const image = spec(2, 3, 7, 9);
    const params = { kernelSize: [3, 2], stride: [2, 3], padding: [1, 0] };
    const windows = {
      ...{ lead: [2, 3], planes: 6, height: 7, width: 9, kernel: [3, 2], stride: [2, 3], padding: [1, 0] },
      ...{ dilation: [1, 1], rows: 4, columns: 3, elements: 6, windows: 12 },
    };
    for (const name of ["unfold", "avgPool2d", "maxPool2d"]) expect(plan(name, [image], [], params)).toEqual(windows);
    for (const name of ["fold", "avgPool2dBackward"]) expect(plan(name, [], [image], params)).toEqual(windows);
    const wide = { ...windows, dilation: [2, 3], rows: 3, columns: 2, windows: 6 };
    expect(plan("unfold", [image], [], { ...params, dilation: [2, 3] })).toEqual(wide);
  });
});

it("attention with dropout moves its generator on by one number for each weight", () => {
  const generator = new Generator(1);
  const [q, kv] = [randn([2, 3, 4, 8]), randn([2, 5, 2, 8])];
  scope(() => void attention(q, kv, kv, { dropoutP: 0.5, generator }));
  expect(generator.offset).toBe(2 * 4 * 3 * 5);
  for (const dropoutP of [-0.01, 1.01, Number.NaN]) {
    expect(() => attention(q, kv, kv, { dropoutP })).toThrow("it must be a probability from 0 to 1");
  }
  const all = attention(q, kv, kv, { dropoutP: 1, generator });
  expect(numbers(all).every((v) => v === 0)).toBe(true);
});

describe("a gradient runs the ops that it needs, and no others", () => {
  const lora = [
    [3, 6, 5],
    [7, 5],
    [2, 5],
    [7, 2],
  ];
  const norm = [[3, 5], [5], [5]];
  const bool = (t: Tensor) => ops.compare(t, zeros([]), { relation: "gt" });
  const matmul = (params: object) => (t: Tensor[]) => ops.matmul(t[0], t[1], params);
  const low = { rows: [[0, 2]], scalings: [2] };
  it.each<[string, number[][], (t: Tensor[]) => Tensor, wanted: number, string[]]>([
    [
      "a product, left",
      [
        [3, 4, 5],
        [5, 2],
      ],
      matmul({}),
      0,
      ["matmul"],
    ],
    // One tall product replaces a sum of small ones.
    [
      "a product, weight under a batch",
      [
        [3, 4, 5],
        [5, 2],
      ],
      matmul({}),
      1,
      ["matmul"],
    ],
    [
      "a product, weight of rows under a batch",
      [
        [3, 4, 5],
        [2, 5],
      ],
      matmul({ transposeB: true }),
      1,
      ["matmul"],
    ],
    [
      "a product, weight",
      [
        [4, 5],
        [5, 2],
      ],
      matmul({}),
      1,
      ["matmul"],
    ],
    [
      "a product of batches",
      [
        [3, 4, 5],
        [3, 5, 2],
      ],
      matmul({}),
      1,
      ["matmul"],
    ],
    [
      "a product, right under more",
      [
        [3, 4, 5],
        [1, 5, 2],
      ],
      matmul({}),
      1,
      ["matmul", "sumToShape"],
    ],
    [
      "a product, transposed left",
      [
        [3, 5, 4],
        [5, 2],
      ],
      matmul({ transposeA: true }),
      1,
      ["matmul", "sumToShape"],
    ],
    ["layerNorm, x", norm, ([x, w, b]) => ops.layerNorm(x, w, b, { eps: 1 }), 0, ["layerNormBackward"]],
    ["layerNorm, weight", norm, ([x, w, b]) => ops.layerNorm(x, w, b, { eps: 1 }), 1, ["layerNormWeightBackward"]],
    ["layerNorm, bias", norm, ([x, w, b]) => ops.layerNorm(x, w, b, { eps: 1 }), 2, ["sumToShape"]],
    ["rmsNorm, x", norm.slice(0, 2), ([x, w]) => ops.rmsNorm(x, w, { eps: 1 }), 0, ["rmsNormBackward"]],
    ["rmsNorm, weight", norm.slice(0, 2), ([x, w]) => ops.rmsNorm(x, w, { eps: 1 }), 1, ["rmsNormWeightBackward"]],
    ["where, first", [[3], [3], [3]], ([c, x, y]) => ops.where(bool(c), x, y), 1, ["where"]],
    ["where, second", [[3], [3], [3]], ([c, x, y]) => ops.where(bool(c), x, y), 2, ["where"]],
    ["loraLinear, x", lora, ([x, w, a, b]) => ops.loraLinear(x, w, a, b, { scaling: 2 }), 0, ["loraLinear"]],
    ["loraLinear, W", lora, ([x, w, a, b]) => ops.loraLinear(x, w, a, b, { scaling: 2 }), 1, ["matmul"]],
    [
      "loraLinear, A",
      lora,
      ([x, w, a, b]) => ops.loraLinear(x, w, a, b, { scaling: 2 }),
      2,
      ["matmul", "affine", "matmul"],
    ],
    ["loraLinear, B", lora, ([x, w, a, b]) => ops.loraLinear(x, w, a, b, { scaling: 2 }), 3, ["matmul"]],
    ["lowRankRows, y", [[3, 7], [3, 5], ...lora.slice(2)], (t) => ops.lowRankRows(...t, low), 0, []],
    [
      "lowRankRows, x",
      [[3, 7], [3, 5], ...lora.slice(2)],
      (t) => ops.lowRankRows(...t, low),
      1,
      ["indexSelect", "affine", "matmul", "matmul", "cat", "indexAdd"],
    ],
    [
      "lowRankRows, A",
      [[3, 7], [3, 5], ...lora.slice(2)],
      (t) => ops.lowRankRows(...t, low),
      2,
      ["indexSelect", "affine", "matmul", "indexSelect", "matmul"],
    ],
    [
      "lowRankRows, B",
      [[3, 7], [3, 5], ...lora.slice(2)],
      (t) => ops.lowRankRows(...t, low),
      3,
      ["indexSelect", "affine", "indexSelect", "matmul", "matmul"],
    ],
    [
      "solve, B",
      [
        [2, 2],
        [2, 1],
      ],
      ([a, b]) => ops.solve(a, b, {}),
      1,
      ["solve"],
    ],
    [
      "solve, A",
      [
        [2, 2],
        [2, 1],
      ],
      ([a, b]) => ops.solve(a, b, {}),
      0,
      ["solve", "matmul", "affine"],
    ],
    ["expand to its own shape", [[2, 3]], ([x]) => ops.add(x, x), 0, ["add"]],
  ])("%s", (_name, shapes, run, wanted, expected) => {
    const names: string[] = [];
    const base = reference();
    const watched: Backend = {
      ...base,
      run: (op, inputs, outputs, params) => {
        if (definedOps().has(op.name)) names.push(op.name);
        base.run(op, inputs, outputs, params);
      },
    };
    withBackend(watched, () => {
      const generator = new Generator(1);
      const tensors = shapes.map((shape) => randn(shape, { generator }));
      tensors[wanted].requiresGrad = true;
      const y = run(tensors);
      const dy = randn(y.shape, { generator });
      names.length = 0;
      gradients(y, [tensors[wanted]], { gradient: dy });
    });
    expect(names).toEqual(expected);
  });
});
