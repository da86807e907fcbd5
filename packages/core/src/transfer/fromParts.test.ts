import fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import { fromBytes, init, memory, reference, to } from "../index.ts";
import { fromParts } from "../internal.ts";

beforeAll(() => init(reference()));

/** Yields bytes in parts that share one array, as when a file is read. */
async function* cut(bytes: Uint8Array, length: number): AsyncGenerator<Uint8Array> {
  const room = new Uint8Array(length);
  for (let at = 0; at < bytes.length; at += length) {
    const part = room.subarray(0, Math.min(length, bytes.length - at));
    part.set(bytes.subarray(at, at + length));
    yield part;
  }
}

const dtypes = fc.constantFrom("f32" as const, "f16" as const, "bf16" as const);

test("any parts give the tensor that the whole gives, in any dtype", async () => {
  await fc.assert(
    fc.asyncProperty(
      dtypes,
      dtypes,
      fc.array(fc.nat({ max: 5 }), { maxLength: 3 }),
      fc.integer({ min: 1, max: 8 }),
      async (dtype, wanted, shape, part) => {
        const size = shape.reduce((a, b) => a * b, 1);
        const values = fromBytes(
          new Uint8Array(Float32Array.from({ length: size }, (_, i) => i / 8 - 3).buffer),
          shape,
          "f32",
        );
        const stored = to(values, { dtype });
        const parts = cut(await stored.bytes(), part * (dtype === "f32" ? 4 : 2));
        const made = await fromParts(parts, { shape, dtype, to: wanted });
        expect([made.shape, made.dtype]).toEqual([shape, wanted]);
        expect(await made.bytes()).toEqual(await to(stored, { dtype: wanted }).bytes());
      },
    ),
  );
});

test.each([
  ["few", 20],
  ["many", 28],
])("too %s parts are an error, and nothing stays", async (_, bytes) => {
  const before = memory().buffers;
  const made = fromParts(cut(new Uint8Array(bytes), 8), { shape: [2, 3], dtype: "f32" });
  await expect(made).rejects.toThrow(`fromParts: f32 [2,3] takes 24 bytes, got ${bytes}`);
  expect(memory().buffers).toBe(before);
});

test("a source that fails half way leaves nothing", async () => {
  const before = memory().buffers;
  async function* failing(): AsyncGenerator<Uint8Array> {
    yield new Uint8Array(8);
    throw new Error("the disk is gone");
  }
  await expect(fromParts(failing(), { shape: [6], dtype: "f32" })).rejects.toThrow("the disk is gone");
  expect(memory().buffers).toBe(before);
});
