import { beforeAll, expect, test } from "vitest";
import { valueAndGrad } from "../../autograd/transforms.ts";
import { init } from "../../backends/backend.ts";
import { reference } from "../../backends/reference.ts";
import { randn } from "../../creation/randomTensors.ts";
import type { Tensor } from "../../engine/tensor.ts";
import { matmul, mul, sum, transpose } from "../../functional/index.ts";
import { Generator } from "../../random/random.ts";
import { expectClose } from "../../testing/expectClose.ts";

beforeAll(() => init(reference()));

const [batch, m, k, n] = [3, 2, 5, 4];

test.each([false, true])(
  "batched a read transposed, times one b (transposeB: %s): gradients of the copy",
  (transposeB) => {
    const generator = new Generator(2);
    const a = randn([batch, k, m], { generator });
    const b = randn(transposeB ? [n, k] : [k, n], { generator });
    const dy = randn([batch, m, n], { generator });
    const gradients = (product: (a: Tensor, b: Tensor) => Tensor) =>
      valueAndGrad((x, y) => sum(mul(product(x, y), dy)), { argnums: [0, 1] })(a, b).grads;
    const found = gradients((x, y) => matmul(x, y, { transposeA: true, transposeB }));
    const expected = gradients((x, y) => matmul(transpose(x, 1, 2), y, { transposeB }));
    for (const [i, gradient] of found.entries()) {
      const [actual, wanted] = [gradient, expected[i]].map((t) => ({ shape: t.shape, data: t.dataSync() }));
      expectClose(i === 0 ? "da" : "db", actual, wanted, 1e-6);
    }
    expect(found[1].shape).toEqual(b.shape);
  },
);
