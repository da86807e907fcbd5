import {
  amax,
  type Backend,
  cat,
  copyInto,
  embedding,
  expand,
  fromBytes,
  gather,
  gradients,
  indexSelect,
  matmul,
  noGrad,
  permute,
  reference,
  rope,
  ropeTables,
  scope,
  slice,
  sumToShape,
  type Tensor,
  tensor,
  withBackend,
} from "@lowrank/core";
import { bytesPerElement } from "@lowrank/core/backend";
import {
  adamStep,
  addInto,
  cacheWrite,
  clipToNorm,
  gradNorm,
  loraLinear,
  lowRankRows,
  scaleInPlace,
  sgdStep,
} from "@lowrank/core/internal";
import { expect, it } from "vitest";
import { onDevice } from "../device/onDevice.ts";
import { fakeDevice } from "../testing/fakeDevice.ts";
import { plainPrograms } from "../testing/plainPrograms.ts";

// Tests the dispatches of kernels on a fake device: as one dispatch, and in parts if a kernel can bind 16 KiB.

const open = (limits: Record<string, number>, software = true): Promise<Backend> => {
  const { device } = fakeDevice(plainPrograms, { limits });
  const settings = { kernels: [], batchInvariant: false, subgroups: undefined };
  return onDevice({ device, adapter: { name: "test/plans", software } }, settings, () => {});
};

type Work = (made: (...shape: number[]) => Tensor, backend: Backend) => Tensor | Tensor[];

/** Makes tensors of values without a pattern. */
function maker(backend: Backend) {
  let seed = 0;
  return (...shape: number[]): Tensor => {
    seed++;
    const size = shape.reduce((a, b) => a * b, 1);
    const values = Array.from({ length: size }, (_, i) => (((i + 1) * 7919 * seed) % 101) + 1);
    return tensor(values, { shape, backend });
  };
}

async function outcome(backend: Backend, work: Work) {
  const results = scope(() => [work(maker(backend), backend)].flat());
  return Promise.all(results.map(async (t) => ({ shape: t.shape, data: Array.from(await t.data()) })));
}

const ids = (backend: Backend, values: readonly number[], shape: number[] = [values.length]) =>
  tensor(values, { shape, dtype: "i32", backend });

/** The gradient of a function of one tensor, weighted by `weights` at the results. */
const slope = (x: Tensor, f: (x: Tensor) => Tensor): Tensor => {
  x.requiresGrad = true;
  return gradients(f(x).sum(), [x])[0];
};

const adam = { lr: 0.1, beta1: 0.9, beta2: 0.99, eps: 1e-8, weightDecay: 0.1 };
const sgd = { lr: 0.1, weightDecay: 0.3 };

/** Changes tensors in place, and returns their new values. */
const inPlace = (tensors: Tensor[], change: (tensors: Tensor[]) => void): Tensor[] => {
  noGrad(() => change(tensors));
  return tensors;
};

const works: Readonly<Record<string, Work>> = {
  "expand to more rows and columns": (x) => [
    expand(x(1, 5, 1), [4, 5, 70]),
    expand(x(3, 1, 20), [3, 9, 20]),
    expand(x(1600, 1), [1600, 3]),
  ],
  permute: (x) => [
    permute(x(4, 5, 6), [2, 0, 1]),
    permute(x(40, 5, 6), [0, 2, 1]),
    permute(x(2, 3, 4, 5), [3, 1, 2, 0]),
  ],
  "slice of rows": (x) => {
    const t = x(1300, 7);
    return [
      slice(t, [37, 1260]),
      slice(t, [3, 1280, 3]),
      slice(t, [1290, 1299]),
      slice(t, [0, 1300, 7]),
      slice(t, null, [2, 5]),
      slice(t, [1299, 1300]),
    ];
  },
  "slice of the middle": (x) => [
    slice(x(4, 9, 3), null, [2, 8, 2]),
    slice(x(300, 4), null, [1, 3]),
    slice(x(9), [2, 5]),
  ],
  "the gradient of slice": (x) => [
    slope(x(1300, 7), (t) => slice(t, [37, 1260])),
    slope(x(1300, 7), (t) => slice(t, [3, 1280, 3])),
    slope(x(1300, 7), (t) => slice(t, [1290, 1299])),
    slope(x(1300, 7), (t) => slice(t, [5, 9])),
    slope(x(4, 9, 3), (t) => slice(t, null, [2, 8, 2])),
    slope(x(300, 4), (t) => slice(t, null, [1, 3])),
  ],
  "cat of rows": (x) => [cat([x(930, 5), x(67, 5), x(1, 5)], { dim: 0 }), cat([x(1), x(5000), x(3)], { dim: 0 })],
  "cat of columns": (x) => [
    cat([x(20, 3), x(20, 1), x(20, 7)], { dim: 1 }),
    cat([x(2, 3, 4), x(2, 0, 4), x(2, 2, 4)], { dim: 1 }),
    cat([x(1600, 2), x(1600, 1)], { dim: 1 }),
  ],
  copyInto: (x) => inPlace([x(70, 70), x(70, 70)], ([a, b]) => copyInto(a, b)),
  "sums of all, of rows, of columns and of the middle": (x) => {
    const t = x(260, 50);
    const u = x(60, 20, 16);
    return [
      ...[sumToShape(t, { shape: [] }), sumToShape(t, { shape: [260, 1] }), sumToShape(t, { shape: [1, 50] })],
      ...[
        sumToShape(u, { shape: [60, 1, 16] }),
        sumToShape(u, { shape: [1, 20, 1] }),
        sumToShape(x(1, 9), { shape: [9] }),
      ],
      ...[sumToShape(x(3000, 2), { shape: [3000, 1] }), sumToShape(x(2, 40), { shape: [2, 1] })],
    ];
  },
  "sums of many numbers": (x) => [
    sumToShape(x(2, 20000), { shape: [2, 1] }),
    sumToShape(x(40000), { shape: [] }),
    sumToShape(x(130, 32), { shape: [130, 1] }),
    sumToShape(x(130, 33), { shape: [130, 1] }),
  ],
  amax: (x) => [
    amax(x(260, 50)),
    amax(x(260, 50), { dim: 0 }),
    amax(x(260, 50), { dim: 1 }),
    amax(x(5, 40, 3), { dim: 1 }),
  ],
  gather: (x, on) => [
    gather(x(3, 5), ids(on, [0, 4, 2, 2, 1, 3], [3, 2]), { dim: 1 }),
    gather(x(3, 5), ids(on, [2, 0, 1, 1, 0], [1, 5]), { dim: 0 }),
  ],
  indexSelect: (x, on) => [
    indexSelect(x(5, 7), ids(on, [4, 0, 0, 3]), { dim: 0 }),
    indexSelect(x(3, 5, 2), ids(on, [4, 0, 0]), { dim: 1 }),
  ],
  "the gradient of gather": (x, on) => [
    slope(x(3, 5), (t) => gather(t, ids(on, [0, 4, 0, 2, 1, 3, 3, 3, 2, 0, 1, 4], [3, 4]), { dim: 1 })),
    slope(x(5, 2), (t) => gather(t, ids(on, [0, 4, 0, 2, 1, 4], [3, 2]), { dim: 0 })),
    slope(x(2, 4, 70), (t) =>
      gather(
        t,
        ids(
          on,
          Array.from({ length: 420 }, (_, i) => (i * 7) % 4),
          [2, 3, 70],
        ),
        { dim: 1 },
      ),
    ),
  ],
  "rows of an embedding, and its gradient": (x, on) => {
    const at = ids(on, [3, 899, 0, 3, 450, 7, 3, 898], [2, 4]);
    return [
      embedding(x(900, 9), at),
      slope(x(900, 9), (t) => embedding(t, at)),
      slope(x(6, 2), (t) => embedding(t, ids(on, [1, 5, 1]))),
    ];
  },
  cacheWrite: (x) => {
    const [one, other] = [x(3, 9, 5), x(3, 9, 5)];
    const rows = x(3, 2, 5);
    return inPlace([one, other], () => {
      cacheWrite(one, rows, { position: 4 });
      cacheWrite(other, rows, { position: [7, 0, 3] });
    });
  },
  "gradNorm and clipToNorm": (x) => {
    const [a, b, c] = [x(40), x(100, 50), x(0)];
    const norm = gradNorm(a, b, c);
    return [norm, gradNorm(x(20000)), ...inPlace([a, b], () => clipToNorm(a, b, norm, { maxNorm: 3 }))];
  },
  "clipToNorm of a small norm": (x) => inPlace([x(5), x()], ([a, norm]) => clipToNorm(a, norm, { maxNorm: 1000 })),
  "scaleInPlace and addInto": (x) =>
    inPlace([x(5000), x(5000), x(7)], ([a, b, c]) => {
      scaleInPlace(a, { factor: 3 });
      addInto(a, b, {});
      addInto(b, a, { alpha: 0.5 });
      addInto(c, c, { alpha: 2 });
      addInto(c, c, {});
    }),
  ...Object.fromEntries(
    [1, 2, 10].flatMap((step) =>
      [true, false].map((decoupled): [string, Work] => [
        `adamStep ${step}${decoupled ? ", decoupled" : ""}`,
        (x) =>
          inPlace([x(5000), x(5000), x(5000), x(5000), x(3), x(3), x(3), x(3)], (all) => {
            adamStep(...all, { ...adam, step, decoupled });
          }),
      ]),
    ),
  ),
  sgdStep: (x) => [
    ...inPlace([x(5000), x(5000)], (all) =>
      sgdStep(...all, { ...sgd, momentum: 0, dampening: 0, nesterov: false, first: true }),
    ),
    ...[true, false].flatMap((first) =>
      [true, false].flatMap((nesterov) =>
        inPlace([x(30), x(30), x(30)], (all) =>
          sgdStep(...all, { ...sgd, momentum: 0.9, dampening: nesterov ? 0 : 0.2, nesterov, first }),
        ),
      ),
    ),
  ],
  rope: (x, on) => {
    const { cos, sin } = withBackend(on, () => ropeTables([1, 0.5, 0.25], 9));
    return [
      rope(x(2, 4, 3, 8), cos, sin, { offset: 5 }),
      rope(x(1, 9, 2, 6), cos, sin, {}),
      rope(x(2, 4, 3, 6), x(2, 4, 3), x(2, 4, 3), {}),
      slope(x(2, 4, 3, 8), (t) => rope(t, cos, sin, { offset: 1 })),
    ];
  },
};

/** Returns the result and the gradients of a function of several tensors. */
const withSlopes = (tensors: Tensor[], f: (tensors: Tensor[]) => Tensor): Tensor[] => {
  for (const t of tensors) t.requiresGrad = true;
  const y = f(tensors);
  return [y, ...gradients(y.sum(), tensors)];
};

const products: Readonly<Record<string, Work>> = {
  "products of few rows": (x) =>
    [1, 2, 3, 4, 5].flatMap((m) => [
      matmul(x(m, 20), x(20, 9)),
      matmul(x(m, 20), x(9, 20), { transposeB: true }),
      matmul(x(20, m), x(20, 30), { transposeA: true }),
    ]),
  "products of large operands": (x) =>
    [3, 100].flatMap((m) => [
      matmul(x(m, 24), x(24, 180)),
      matmul(x(m, 20), x(350, 20), { transposeB: true }),
      matmul(x(m, 19), x(361, 19), { transposeB: true }),
    ]),
  "batches of products": (x) => [
    matmul(x(3, 2, 10, 12), x(2, 12, 6)),
    matmul(x(2, 1, 5, 6), x(3, 6, 7)),
    matmul(x(2, 6, 5), x(2, 6, 7), { transposeA: true }),
    matmul(x(3, 2, 50, 12), x(2, 12, 60)),
    matmul(x(4, 3, 20), x(20, 7)),
  ],
  "products of long sums": (x) => [
    matmul(x(1037, 6), x(1037, 21), { transposeA: true }),
    matmul(x(5, 530), x(530, 17)),
    matmul(x(20, 512), x(18, 512), { transposeB: true }),
    matmul(x(2, 6, 1000), x(2, 1000, 3)),
  ],
  "gradients of products": (x) => [
    ...withSlopes([x(7, 20), x(20, 9)], ([a, b]) => matmul(a, b)),
    ...withSlopes([x(2, 3, 20), x(9, 20)], ([a, b]) => matmul(a, b, { transposeB: true })),
    ...withSlopes([x(2, 1, 5, 6), x(3, 6, 7)], ([a, b]) => matmul(a, b)),
  ],
  "a layer with low-rank factors": (x) => [
    ...withSlopes([x(7, 20), x(24, 20), x(4, 20), x(24, 4)], ([t, w, a, b]) => loraLinear(t, w, a, b, { scaling: 2 })),
    ...withSlopes([x(2, 3, 9), x(5, 9), x(2, 9), x(5, 2)], ([t, w, a, b]) => loraLinear(t, w, a, b, { scaling: 0.5 })),
    loraLinear(x(100, 20), x(244, 20), x(4, 20), x(244, 4), { scaling: 2 }),
  ],
  "rows of a batch with factors of their own": (x) => {
    const rows = [[0, 2, 3, 5], [4]];
    const factors = [x(2, 9), x(5, 2), x(3, 9), x(5, 3)];
    return [
      lowRankRows(x(7, 5), x(7, 9), ...factors, { rows, scalings: [2, 0.5] }),
      lowRankRows(x(7, 3, 5), x(7, 3, 9), ...factors, { rows, scalings: [2, 0.5] }),
      lowRankRows(x(7, 5), x(7, 9), ...factors, { rows: [[], [6]], scalings: [2, 0.5] }),
    ];
  },
};

const devices = {
  "a device that sees much": () => open({}),
  "a device that sees 16 KiB": () => open({ maxStorageBufferBindingSize: 16384 }),
  "a graphics processor": () => open({}, false),
  "a graphics processor that sees 16 KiB": () => open({ maxStorageBufferBindingSize: 16384 }, false),
};

/** Ops on tensors that exceed the 16 KiB of a binding and are not cut. */
const whole = new Set(["permute", "gather", "indexSelect", "the gradient of gather", "sums of many numbers"]);

for (const [device, opened] of Object.entries(devices)) {
  const moves = device.startsWith("a device that sees") ? works : {};
  for (const [name, work] of Object.entries({ ...moves, ...products })) {
    if (device.includes("16 KiB") && whole.has(name)) continue;
    it(`${name}: ${device} gives what the reference gives`, async () => {
      const expected = await outcome(reference(), work);
      const found = await outcome(await opened(), work);
      expect(found.map(({ shape }) => shape)).toEqual(expected.map(({ shape }) => shape));
      for (const [i, { data }] of expected.entries()) {
        const wrong = data.findIndex((value, k) => {
          return !(Math.abs(found[i].data[k] - value) <= 1e-5 * Math.max(1, Math.abs(value)));
        });
        expect(wrong, `result ${i} at ${wrong}: ${found[i].data[wrong]} in place of ${data[wrong]}`).toBe(-1);
      }
    });
  }
}

it.each(["f16", "u8", "bool", "i32"] as const)("moves of %s keep bits, and the elements beside them", async (dtype) => {
  const moved = async (backend: Backend) => {
    let seed = 1;
    const x = (...shape: number[]): Tensor => {
      const size = bytesPerElement(dtype) * shape.reduce((a, b) => a * b, 1);
      seed++;
      return fromBytes(
        Uint8Array.from({ length: size }, (_, i) => (dtype === "bool" ? (i * seed) % 2 : i * 37 * seed)),
        shape,
        dtype,
        backend,
      );
    };
    const results = [
      ...[permute(x(3, 5), [1, 0]), slice(x(7, 3), [1, 6, 2])],
      ...[cat([x(2, 3), x(1, 3), x(4, 3)], { dim: 0 }), cat([x(3, 1), x(3, 2)], { dim: 1 })],
      indexSelect(x(5, 3), ids(backend, [4, 0, 0]), { dim: 0 }),
      ...(dtype === "f16" ? [embedding(x(5, 3), ids(backend, [4, 0, 0]))] : []),
    ];
    return Promise.all(results.map((t) => t.bytes()));
  };
  expect(await moved(await open({}))).toEqual(await moved(reference()));
});
