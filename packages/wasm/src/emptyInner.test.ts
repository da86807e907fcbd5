import { type Backend, Generator, init, linear, matmul, randn, reference, type Tensor } from "@lowrank/core";
import { doraLinear, loraLinear } from "@lowrank/core/internal";
import { checkGrad, expectClose } from "@lowrank/core/testing";
import { beforeAll, describe, expect, it } from "vitest";
import { wasm } from "./index.ts";

const backends: Record<string, () => Backend | Promise<Backend>> = { reference, wasm: () => wasm() };

/**
 * Products of vectors and of matrices without inner elements: values, gradients
 * and gradients of gradients.
 */
describe.each(Object.entries(backends))("on %s", (_name, make) => {
  beforeAll(async () => {
    await init(make());
  });

  const draw = (...shapes: number[][]) => {
    const generator = new Generator(3);
    return shapes.map((shape) => randn(shape, { generator, std: 0.5 }));
  };

  it.each([
    [[3], [3], []],
    [[3], [3, 2], [2]],
    [[2, 3], [3], [2]],
    [[0], [0], []],
    [[0], [0, 3], [3]],
    [[2, 0], [0], [2]],
    [
      [2, 0],
      [0, 3],
      [2, 3],
    ],
    [
      [2, 2, 0],
      [0, 3],
      [2, 2, 3],
    ],
    [
      [2, 2, 0],
      [2, 0, 3],
      [2, 2, 3],
    ],
    [
      [0, 3],
      [3, 2],
      [0, 2],
    ],
  ])("matmul of %j and %j", async (a, b, shape) => {
    const inputs = draw(a, b);
    const y = matmul(inputs[0], inputs[1]);
    expect(y.shape).toEqual(shape);
    if (a.includes(0)) expect(Array.from(await y.data()).every((v) => v === 0)).toBe(true);
    await checkGrad((s: Tensor, t: Tensor) => matmul(s, t), inputs, { order: 2 });
  });

  for (const x of [[3], [2, 3], [0, 3], [0], [2, 0], [2, 2, 0]]) {
    const [rows, from] = [x.slice(0, -1), x[x.length - 1]];
    it(`linear of [${x}]`, async () => {
      const inputs = draw(x, [4, from], [4]);
      expect(linear(inputs[0], inputs[1], inputs[2]).shape).toEqual([...rows, 4]);
      await checkGrad((s: Tensor, w: Tensor, b: Tensor) => linear(s, w, b), inputs, { order: 2 });
    });

    for (const rank of [2, 0]) {
      it(`loraLinear and doraLinear of [${x}] at rank ${rank}`, async () => {
        const inputs = draw(x, [4, from], [rank, from], [4, rank]);
        const lora = (s: Tensor, w: Tensor, a: Tensor, b: Tensor) => loraLinear(s, w, a, b, { scaling: 2 });
        const y = lora(...(inputs as [Tensor, Tensor, Tensor, Tensor]));
        expect(y.shape).toEqual([...rows, 4]);
        if (rank === 0) {
          const plain = linear(inputs[0], inputs[1]);
          expectClose(
            "rank 0",
            { shape: y.shape, data: await y.data() },
            { shape: y.shape, data: await plain.data() },
            1e-6,
          );
        }
        await checkGrad(lora, inputs, { order: 2 });
        const [magnitude] = draw([4]);
        const dora = (s: Tensor, m: Tensor) => doraLinear(s, inputs[1], inputs[2], inputs[3], m, { scaling: 0.02 });
        if (from > 0) await checkGrad(dora, [inputs[0], magnitude], { order: 2 });
        else expect(Array.from(await dora(inputs[0], magnitude).data()).every((v) => v === 0)).toBe(true);
      });
    }
  }
});
