import { beforeAll, describe, expect, it } from "vitest";
import { init } from "../../backends/backend.ts";
import { reference } from "../../backends/reference.ts";
import { tensor } from "../../creation/makeTensor.ts";
import { randn } from "../../creation/randomTensors.ts";
import { Generator } from "../../random/random.ts";
import { expectClose } from "../../testing/index.ts";
import { scaledDotProductAttention } from "./scaledDotProductAttention.ts";

beforeAll(() => init(reference()));

/** Returns true if query i of `queries` attends to key j of `keys`. */
type Sees = (i: number, j: number, queries: number, keys: number) => boolean;

const alignments: Record<string, { options: object; sees: Sees }> = {
  isCausal: { options: { isCausal: true }, sees: (i, j) => j <= i },
  isCausalLowerRight: { options: { isCausalLowerRight: true }, sees: (i, j, t, s) => j <= s - t + i },
};

describe.each(Object.entries(alignments))("%s", (_name, { options, sees }) => {
  it.each([
    [4, 4],
    [3, 5],
    [5, 3],
    [1, 4],
  ])("is PyTorch's mask for %i queries and %i keys", async (queries, keys) => {
    const generator = new Generator(queries * 10 + keys);
    const [q, k, v] = [queries, keys, keys].map((n) => randn([1, 2, n, 8], { generator }));
    const seen = Array.from({ length: queries * keys }, (_, at) => {
      return Number(sees(Math.floor(at / keys), at % keys, queries, keys));
    });
    const mask = tensor(seen, { shape: [queries, keys], dtype: "bool" });
    const [actual, expected] = [options, { mask }].map((o) => scaledDotProductAttention(q, k, v, o));
    const numbers = async (t: typeof q) => ({ shape: t.shape, data: await t.data() });
    expectClose("attention", await numbers(actual), await numbers(expected), 1e-6);
  });
});

it("refuses isCausal beside a mask, as PyTorch does, and beside the other alignment", () => {
  const q = randn([1, 1, 2, 4], { generator: new Generator(1) });
  const mask = tensor([1, 1, 1, 1], { shape: [2, 2], dtype: "bool" });
  const call = (options: object) => () => scaledDotProductAttention(q, q, q, { isCausal: true, ...options });
  expect(call({ mask })).toThrow("scaledDotProductAttention: isCausal is given with a mask; give one of them");
  expect(call({ isCausalLowerRight: true })).toThrow(/is given with isCausalLowerRight/);
});
