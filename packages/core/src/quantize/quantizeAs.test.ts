import { beforeAll, expect, test } from "vitest";
import { dtypes, Generator, init, quantize4bit, randn, reference } from "../index.ts";
import { canQuantizeAs, quantizeAs } from "../internal.ts";

beforeAll(() => init(reference()));

test("a tensor is packed as another weight is, in formats that say that they are packed here", async () => {
  const x = randn([4, 64], { generator: new Generator(1) });
  for (const quantType of ["nf4", "fp4"] as const) {
    for (const doubleQuant of [false, true]) {
      const like = quantize4bit(x, { quantType, blockSize: 32, doubleQuant });
      const again = quantizeAs(x, like);
      expect(again.spec()).toEqual(like.spec());
      expect(await again.bytes()).toEqual(await like.bytes());
    }
  }
  expect(dtypes.filter(canQuantizeAs)).toEqual(["nf4", "fp4"]);
  expect(() => quantizeAs(x, { dtype: "q8_0" })).toThrow(
    "quantizeAs: tensors cannot be quantised to q8_0; use nf4 or fp4",
  );
});
