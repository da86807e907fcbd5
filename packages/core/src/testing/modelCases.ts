import type { Tensor } from "../engine/tensor.ts";
import * as f from "../functional/index.ts";
import { attentionOp } from "../ops/attention/attention.ts";
import { documentAttentionOp } from "../ops/attention/documentAttention.ts";
import { crossEntropyWithRows } from "../ops/losses/crossEntropy.ts";
import { blockFormats } from "../packed/index.ts";
import { Generator } from "../random/random.ts";
import { type Cases, calls, index, type OpCase, withGradients, x } from "./cases.ts";
import type { Input } from "./input.ts";
import { weightCases } from "./weightCases.ts";

type Name =
  | "attention"
  | "attentionBackward"
  | "crossEntropy"
  | "crossEntropyBackward"
  | "documentAttention"
  | "documentAttentionBackward"
  | "documentMask"
  | "doraLinear"
  | "doraNorm"
  | "dropout"
  | "embedding"
  | "embeddingBackward"
  | "geglu"
  | "gegluBackward"
  | "layerNorm"
  | "layerNormBackward"
  | "layerNormWeightBackward"
  | "linearCrossEntropy"
  | "linearInt8"
  | "logSoftmax"
  | "logSoftmaxBackward"
  | "loraLinear"
  | "lowRankRows"
  | "oneHot"
  | "pagedAttention"
  | "rmsNorm"
  | "rmsNormBackward"
  | "rmsNormWeightBackward"
  | "rope"
  | "rowSquares"
  | "scaledDotProductAttention"
  | "softmax"
  | "softmaxBackward"
  | "swiglu"
  | "swigluBackward";

const a = x([2, 5, 8]);
const same = [x([5, 7]), x([5, 7])];
const row = x([16]);
const [q, kv] = [x([2, 5, 4, 8]), x([2, 7, 2, 8])];
const tables = [x([9, 4], { low: -1, high: 1 }), x([9, 4], { low: -1, high: 1 })];
const lora = [x([3, 5, 12]), x([10, 12]), x([4, 12]), x([10, 4])];
/** The inputs y and x of `lowRankRows`: a batch of 5 rows of 3 vectors each. */
const batch = [x([5, 3, 10]), x([5, 3, 14])];
const factors = [x([4, 14]), x([10, 4]), x([3, 14]), x([10, 3])];
const rowsOfPairs = { rows: [[3, 1, 2], [0]], scalings: [2, 0.5] };
const half = (t: Tensor, dtype: "f16" | "bf16") => f.to(t, { dtype });

const gegluKinds: readonly f.GegluParams[] = [{}, { approximate: "tanh" }];
const labels: Input = {
  shape: [4, 6],
  dtype: "i32",
  values: Array.from({ length: 24 }, (_, i) => (i % 5 ? i % 13 : -100)),
};

/** Returns test cases of `linearInt8`, which has no gradient, for alternating shapes of x and W. */
function int8Cases(...shapes: number[][]): OpCase[] {
  if (shapes.length === 0) return [];
  const [left, right, ...rest] = shapes;
  const cases = weightCases([x(left), x(right)], 1, (t, w) => f.linearInt8(t, w));
  const integers = cases.filter(({ name = "" }) => name.split(" ")[0] in blockFormats);
  return [...integers.map((c) => ({ ...c, gradients: [] })), ...int8Cases(...rest)];
}

/**
 * Returns test cases of paged attention for rows of three sequences, whose pages of 4 positions are scattered in a pool
 * of 9 pages. Entries of -1 in a page table are never read.
 */
function pagedCases(...functions: ((...tensors: Tensor[]) => Tensor)[]): OpCase[] {
  const pool = x([9, 4, 2, 8]);
  const tables: Input = { shape: [3, 4], dtype: "i32", values: [7, 0, -1, -1, 3, 8, 2, 5, 6, -1, -1, -1] };
  const places = [0, 4, 1, 0, 1, 1, 1, 15, 2, 3, 0, 7];
  const rows: Input = { shape: [6, 2], dtype: "i32", values: places };
  const none: Input = { shape: [0, 2], dtype: "i32" };
  return [
    ...calls([x([6, 4, 8]), pool, pool, tables, rows], ...functions),
    ...calls([x([0, 4, 8]), pool, pool, tables, none], functions[0]),
  ].map((c) => ({ ...c, gradients: [] }));
}

/**
 * Computes the gradients of attention by its backward op, which also gets the output and the log-sum-exp of the forward
 * op.
 */
function backwardOfAttention(
  dout: Tensor,
  q: Tensor,
  k: Tensor,
  v: Tensor,
  options: f.AttentionParams & { mask?: Tensor },
): readonly Tensor[] {
  const { mask, ...params } = options;
  const rest = mask ? [mask] : [];
  const [out, lse] = attentionOp(q, k, v, ...rest, params);
  return f.attentionBackward(dout, q, k, v, out, lse, ...rest, params);
}

/** Returns the input `starts` of `documentAttention`, for rows that consist of documents of the given lengths. */
function startsOf(...rows: readonly (readonly number[])[]): Input {
  const values = rows.flatMap((lengths) => {
    let start = 0;
    return lengths.flatMap((length) => {
      start += length;
      return new Array<number>(length).fill(start - length);
    });
  });
  return { shape: [rows.length, values.length / rows.length], dtype: "i32", values };
}

/** Computes the gradients of `documentAttention` by its backward op, which also gets the outputs of the forward op. */
function backwardOfDocuments(
  dout: Tensor,
  q: Tensor,
  k: Tensor,
  v: Tensor,
  starts: Tensor,
  params: f.DocumentAttentionParams,
): readonly Tensor[] {
  const [out, lse] = documentAttentionOp(q, k, v, starts, params);
  return f.documentAttentionBackward(dout, q, k, v, out, lse, starts, params);
}

/** `starts` of rows whose documents are shorter and longer than the tiles of kernels. */
const documents = [startsOf([1, 4], [3, 2]), startsOf([25, 9, 280, 1, 2, 13])] as const;
const manyTokens = [x([1, 330, 2, 4]), x([1, 330, 1, 4]), x([1, 330, 1, 4])];

/** Computes the gradient of cross-entropy by its backward op, which also gets the sums that the forward op returns. */
function backwardOfCrossEntropy(dloss: Tensor, logits: Tensor, labels: Tensor, params: f.CrossEntropyParams): Tensor {
  const [, sums] = crossEntropyWithRows(logits, labels, params);
  return f.crossEntropyBackward(dloss, logits, labels, sums, params);
}

/** Test cases of fused functions that language models use, such as attention. */
export const modelCases: Cases<Name> = {
  attention: [
    ...calls(
      [q, kv, kv],
      (s, k, v) => f.attention(s, k, v, { causal: true }),
      (s, k, v) => f.attention(s, k, v, { scale: 0.4, softcap: 5 }),
    ),
    ...calls([q, q, q], (s, k, v) => f.attention(s, k, v, { causal: true, window: 3 })),
    ...calls([q, kv, kv, { shape: [2, 1, 5, 7], dtype: "bool" }], (s, k, v, mask) => f.attention(s, k, v, { mask })),
    ...calls([x([1, 70, 2, 16]), x([1, 70, 1, 16]), x([1, 70, 1, 16])], (s, k, v) =>
      f.attention(s, k, v, { causal: true }),
    ),
    ...calls([q, kv, kv, { shape: [2, 1, 1, 7], dtype: "bool" }], (s, k, v, mask) =>
      f.attention(s, k, v, { mask, softcap: 5, dropoutP: 0.3, generator: new Generator(2) }),
    ),
  ],
  attentionBackward: withGradients(
    [],
    [
      ...calls([q, q, kv, kv], (d, s, k, v) => backwardOfAttention(d, s, k, v, { causal: true })),
      ...calls([q, q, kv, kv], (d, s, k, v) => backwardOfAttention(d, s, k, v, { scale: 0.4, softcap: 5 })),
      ...calls([q, q, kv, kv, { shape: [2, 1, 5, 7], dtype: "bool" }], (d, s, k, v, mask) =>
        backwardOfAttention(d, s, k, v, { mask }),
      ),
    ],
  ),
  documentAttention: [
    ...calls(
      [q, q, q, documents[0]],
      (s, k, v, starts) => f.documentAttention(s, k, v, starts),
      (s, k, v, starts) => f.documentAttention(s, k, v, starts, { scale: 0.4, softcap: 5, window: 2 }),
    ),
    ...calls([...manyTokens, documents[1]], (s, k, v, starts) => f.documentAttention(s, k, v, starts)),
  ],
  documentAttentionBackward: withGradients(
    [],
    [
      ...calls([q, q, q, q, documents[0]], (d, s, k, v, starts) => backwardOfDocuments(d, s, k, v, starts, {})),
      ...calls([manyTokens[0], ...manyTokens, documents[1]], (d, s, k, v, starts) =>
        backwardOfDocuments(d, s, k, v, starts, { softcap: 5, window: 70 }),
      ),
    ],
  ),
  documentMask: calls([documents[0]], (starts) => f.documentMask(starts)),
  crossEntropy: calls(
    [x([4, 6, 13]), labels],
    (t, l) => f.crossEntropy(t, l),
    (t, l) => f.crossEntropy(t, l, { reduction: "sum", labelSmoothing: 0.1 }),
    (t, l) => f.crossEntropy(t, l, { reduction: "none" }),
  ),
  crossEntropyBackward: withGradients(
    [],
    calls(
      [x([]), x([4, 6, 13]), labels],
      (d, t, l) => backwardOfCrossEntropy(d, t, l, {}),
      (d, t, l) => backwardOfCrossEntropy(d, t, l, { reduction: "sum", labelSmoothing: 0.1 }),
    ),
  ),
  doraLinear: calls([...lora, x([10], { low: 0.3, high: 3 })], (s, w, m, n, g) =>
    f.doraLinear(s, w, m, n, g, { scaling: 2 }),
  ).map((c) => ({ ...c, gradients: [0, 4] })),
  doraNorm: [
    ...calls(
      lora.slice(1),
      (w, m, n) => f.doraNorm(w, m, n, { scaling: 2 }),
      (w, m, n) => f.doraNorm(f.transpose(w, 0, 1), m, n, { scaling: 2, fanInFanOut: true, squares: f.rowSquares(w) }),
    ),
  ].map((c) => ({ ...c, gradients: [] })),
  dropout: calls([x([40, 7])], (t) => f.dropout(t, { p: 0.3, generator: new Generator(7) })),
  embedding: [
    ...weightCases([x([11, 64]), index([3, 5], 11)], 0, (w, ids) => f.widen(f.embedding(w, ids))),
    ...weightCases([x([11, 37]), index([9], 11)], 0, (w, ids) => f.widen(f.embedding(w, ids))),
    ...weightCases([x([11, 512]), index([7], 11)], 0, (w, ids) => f.widen(f.embedding(w, ids))),
    ...calls([x([11, 6]), index([3, 5], 11)], (w, ids) => f.embedding(w, ids)),
    ...calls([x([11, 5]), index([3, 5], 11)], (w, ids) => f.widen(f.embedding(f.to(w, { dtype: "bf16" }), ids))).map(
      (c) => ({ ...c, gradients: [] }),
    ),
  ],
  embeddingBackward: calls([x([3, 5, 6]), index([3, 5], 11)], (dy, ids) => f.embeddingBackward(dy, ids, { vocab: 11 })),
  geglu: gegluKinds.flatMap((params) => [
    ...calls(same, (gate, up) => f.geglu(gate, up, params)),
    ...calls([x([3], { low: -4, high: 4 }), x([3])], (gate, up) => f.geglu(gate, up, params)),
  ]),
  gegluBackward: gegluKinds.flatMap((params) =>
    calls([...same, x([5, 7])], (dy, gate, up) => f.gegluBackward(dy, gate, up, params)),
  ),
  layerNorm: calls([x([3, 5, 16]), row, row], (t, w, b) => f.layerNorm(t, w, b, { eps: 1e-5 })),
  layerNormBackward: calls([x([3, 16]), x([3, 16]), row], (dy, t, w) => f.layerNormBackward(dy, t, w, { eps: 1e-5 })),
  layerNormWeightBackward: calls([x([3, 16]), x([3, 16])], (dy, t) => f.layerNormWeightBackward(dy, t, { eps: 1e-5 })),
  linearCrossEntropy: [
    ...calls(
      [x([4, 6, 10]), x([13, 10]), labels],
      (h, w, l) => f.linearCrossEntropy(h, w, l),
      (h, w, l) => f.linearCrossEntropy(h, w, l, { reduction: "sum", labelSmoothing: 0.1 }),
    ),
    ...weightCases([x([4, 6, 32]), x([13, 32]), labels], 1, (h, w, l) => f.linearCrossEntropy(h, w, l)),
    ...weightCases([x([4, 6, 256]), x([13, 256]), labels], 1, (h, w, l) => f.linearCrossEntropy(h, w, l)),
    ...weightCases([x([4, 6, 10]), x([13, 10]), labels], 1, (h, w, l) =>
      f.linearCrossEntropy(h, w, l, { labelSmoothing: 0.1 }),
    ),
  ],
  linearInt8: [
    ...int8Cases([1, 96], [13, 96], [2, 3, 64], [5, 64], [9, 32], [20, 32], [2, 4128], [3, 4128]),
    ...int8Cases([1, 512], [13, 512], [6, 256], [19, 256], [3, 4352], [2, 4352]),
  ],
  logSoftmax: calls(
    [a],
    (t) => f.logSoftmax(t, { dim: -1 }),
    (t) => f.logSoftmax(t, { dim: 1 }),
  ),
  logSoftmaxBackward: calls(same, (dy, y) => f.logSoftmaxBackward(dy, y, { dim: -1 })),
  loraLinear: [
    ...calls(lora, (s, w, m, n) => f.loraLinear(s, w, m, n, { scaling: 2 })),
    ...weightCases([x([3, 5, 64]), x([10, 64]), x([4, 64]), x([10, 4])], 1, (s, w, m, n) =>
      f.loraLinear(s, w, m, n, { scaling: 2 }),
    ),
  ],
  lowRankRows: [
    ...calls([...batch, ...factors], (...t) => f.lowRankRows(...t, rowsOfPairs)),
    ...calls([...batch, ...factors.slice(0, 2)], (...t) =>
      f.lowRankRows(...t, { rows: [[0, 1, 2, 3, 4]], scalings: [1] }),
    ),
    ...calls([x([9, 12]), x([9, 16]), x([8, 16]), x([12, 8]), x([64, 16]), x([12, 64])], (...t) =>
      f.lowRankRows(...t, { rows: [[8, 0], []], scalings: [1, 3] }),
    ),
    ...withGradients(
      [0, 1],
      (["f16", "bf16"] as const).flatMap((dtype) =>
        calls([...batch, ...factors], (y, s, ...t) =>
          f.lowRankRows(y, s, ...t.map((w) => half(w, dtype)), rowsOfPairs),
        ),
      ),
    ),
  ],
  oneHot: calls([index([3, 4], 6)], (l) => f.oneHot(l, { classes: 6 })),
  pagedAttention: pagedCases(
    (s, k, v, tables, rows) => f.pagedAttention(s, k, v, tables, rows, {}),
    (s, k, v, tables, rows) => f.pagedAttention(s, k, v, tables, rows, { scale: 0.4, softcap: 5 }),
    (s, k, v, tables, rows) => f.pagedAttention(s, k, v, tables, rows, { window: 6 }),
  ),
  rmsNorm: calls([x([3, 5, 16]), row], (t, w) => f.rmsNorm(t, w, { eps: 1e-5 })),
  rmsNormBackward: calls([x([3, 16]), x([3, 16]), row], (dy, t, w) => f.rmsNormBackward(dy, t, w, { eps: 1e-5 })),
  rmsNormWeightBackward: calls([x([3, 16]), x([3, 16])], (dy, t) => f.rmsNormWeightBackward(dy, t, { eps: 1e-5 })),
  rope: calls([x([2, 6, 3, 8]), ...tables], (t, cos, sin) => f.rope(t, cos, sin, { offset: 3 })).map((c) => ({
    ...c,
    gradients: [0],
  })),
  rowSquares: calls(
    [x([7, 12])],
    (w) => f.rowSquares(w),
    (w) => f.rowSquares(w, { fanInFanOut: true }),
  ).map((c) => ({ ...c, gradients: [] })),
  scaledDotProductAttention: [
    ...calls(
      [x([2, 4, 5, 8]), x([2, 2, 7, 8]), x([2, 2, 7, 8])],
      (s, k, v) => f.scaledDotProductAttention(s, k, v, { isCausal: true, enableGqa: true }),
      (s, k, v) => f.scaledDotProductAttention(s, k, v, { isCausalLowerRight: true, enableGqa: true }),
      (s, k, v) =>
        f.scaledDotProductAttention(s, k, v, {
          ...{ isCausal: true, enableGqa: true },
          ...{ dropoutP: 0.2, generator: new Generator(3) },
        }),
    ),
    ...calls([x([2, 2, 7, 8]), x([2, 2, 5, 8]), x([2, 2, 5, 8])], (s, k, v) =>
      f.scaledDotProductAttention(s, k, v, { isCausal: true }),
    ),
  ],
  softmax: calls(
    [a],
    (t) => f.softmax(t, { dim: -1 }),
    (t) => f.softmax(t, { dim: 1 }),
  ),
  softmaxBackward: calls(same, (dy, y) => f.softmaxBackward(dy, y, { dim: -1 })),
  swiglu: calls(same, (gate, up) => f.swiglu(gate, up)),
  swigluBackward: calls([...same, x([5, 7])], (dy, gate, up) => f.swigluBackward(dy, gate, up)),
};
