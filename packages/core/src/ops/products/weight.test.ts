import { beforeAll, describe, expect, it } from "vitest";
import {
  embedding,
  Generator,
  gradients,
  init,
  linear,
  linearCrossEntropy,
  matmul,
  quantize4bit,
  randn,
  reference,
  sum,
  type Tensor,
  tensor,
  to,
  zeros,
} from "../../index.ts";
import { loraLinear } from "../../internal.ts";

beforeAll(async () => {
  await init(reference());
});

const random = (...shape: number[]) => randn(shape, { generator: new Generator(5) });

describe("weights in half precision", () => {
  const uses: [string, (w: Tensor) => Tensor][] = [
    ["matmul", (w) => sum(matmul(random(3, 8), w, { transposeB: true }))],
    ["linear", (w) => sum(linear(random(2, 3, 8), w))],
    ["loraLinear", (w) => sum(loraLinear(random(3, 8), w, random(2, 8), random(5, 2), { scaling: 2 }))],
    ["linearCrossEntropy", (w) => linearCrossEntropy(random(1, 2, 8), w, tensor([[1, 4]], { dtype: "i32" }))],
    ["embedding", (w) => sum(to(embedding(w, tensor([[1, 4]], { dtype: "i32" })), { dtype: "f32" }))],
  ];
  it.each(uses)("%s: the gradient is the wide weight's, in the weight's dtype", (_name, use) => {
    const half = to(random(5, 8), { dtype: "bf16" });
    const wide = to(half, { dtype: "f32" });
    for (const w of [half, wide]) w.requiresGrad = true;
    const [dhalf] = gradients(use(half), [half]);
    const [dwide] = gradients(use(wide), [wide]);
    expect(dhalf.dtype).toBe("bf16");
    expect(dhalf.dataSync()).toEqual(to(dwide, { dtype: "bf16" }).dataSync());
  });
});

describe("packed weights", () => {
  it("are the second operand of a product, of two dimensions, under rows as they lie", () => {
    const w = quantize4bit(random(6, 32), {});
    expect(() => matmul(w, random(32, 4))).toThrow(/matmul: input 0 \[6,32\] is a packed nf4 weight/);
    expect(() => matmul(random(32, 4), w, { transposeA: true, transposeB: true })).toThrow(
      /a nf4 weight must have two dimensions.* it is \[6,32\] with transposeA: cast it with t.to\("f32"\)/,
    );
    expect(() => matmul(random(4, 32), to(random(2, 32, 3), { dtype: "f16" }))).toThrow(
      /a f16 weight must have two dimensions.* it is \[2,32,3\]/,
    );
    expect(() => loraLinear(random(4, 32), w, w, random(6, 2), { scaling: 1 })).toThrow(
      /loraLinear: input 2 \[6,32\] is a packed nf4 weight/,
    );
    expect(() => embedding(zeros([3, 4]), w)).toThrow(/embedding: input 1 \[6,32\] is a packed nf4 weight/);
  });

  it("pass gradients to what they multiply, and gradients of gradients", () => {
    const w = quantize4bit(random(6, 32), { doubleQuant: true });
    const wide = to(w, { dtype: "f32" });
    const second = (weight: Tensor): Tensor => {
      const x = random(4, 32);
      x.requiresGrad = true;
      const y = matmul(x, weight, { transposeB: true });
      const [dx] = gradients(sum(y.mul(y)), [x], { createGraph: true });
      return gradients(sum(dx.mul(dx)), [x])[0];
    };
    expect(second(w).dataSync()).toEqual(second(wide).dataSync());
  });
});
