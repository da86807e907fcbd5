import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import {
  fromBitsandbytes,
  Generator,
  init,
  QuantStateError,
  quantize4bit,
  randn,
  reference,
  type SafetensorsTensor,
  toBitsandbytes,
  zeros,
} from "../index.ts";

beforeAll(async () => {
  await init(reference());
});

const name = "model.layers.0.mlp.up_proj.weight";
const draw = (shape: number[], seed = 1) => randn(shape, { generator: new Generator(seed), std: 0.02 });
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const floats = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer);

describe("toBitsandbytes, fromBitsandbytes", () => {
  it("give back every weight, its packing and its dtype", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          shape: fc.tuple(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 150 })),
          quantType: fc.constantFrom("nf4" as const, "fp4" as const),
          blockSize: fc.constantFrom(32, 64, 256, 4096),
          doubleQuant: fc.boolean(),
          dtype: fc.constantFrom("f32" as const, "f16" as const, "bf16" as const),
          seed: fc.nat(),
        }),
        async ({ shape, seed, dtype, ...how }) => {
          const weight = quantize4bit(draw(shape, seed), how);
          const entries = await toBitsandbytes(weight, name, { dtype });
          const back = fromBitsandbytes(entries.reverse(), name);
          expect(back.dtype).toBe(dtype);
          expect(back.weight).toMatchObject({ shape, dtype: how.quantType, packing: weight.packing });
          expect(await back.weight.bytes()).toEqual(await weight.bytes());
        },
      ),
    );
  });

  it("write the entries of QuantState.as_dict, and its JSON as Python does", async () => {
    const plain = await toBitsandbytes(quantize4bit(draw([3, 70]), {}), name, { dtype: "bf16" });
    expect(plain.map((t) => [t.name.slice(name.length), t.dtype, t.shape])).toEqual([
      ["", "u8", [105, 1]],
      [".absmax", "f32", [4]],
      [".quant_map", "f32", [16]],
      [".quant_state.bitsandbytes__nf4", "u8", [77]],
    ]);
    expect(text(plain[3].bytes)).toBe('{"quant_type": "nf4", "blocksize": 64, "dtype": "bfloat16", "shape": [3, 70]}');
    const weight = quantize4bit(zeros([2, 64]), { quantType: "fp4", blockSize: 32, doubleQuant: true });
    const nested = await toBitsandbytes(weight, name, { dtype: "f16" });
    expect(nested.map((t) => [t.name.slice(name.length), t.dtype, t.shape])).toEqual([
      ["", "u8", [64, 1]],
      [".absmax", "u8", [4]],
      [".quant_map", "f32", [16]],
      [".nested_absmax", "f32", [1]],
      [".nested_quant_map", "f32", [256]],
      [".quant_state.bitsandbytes__fp4", "u8", [nested[5].bytes.length]],
    ]);
    expect(text(nested[5].bytes)).toBe(
      '{"quant_type": "fp4", "blocksize": 32, "dtype": "float16", "shape": [2, 64], "nested_blocksize": 256, "nested_dtype": "float32", "nested_offset": 0.0}',
    );
  });

  it("take codes that another dtype stores", async () => {
    const weight = quantize4bit(draw([4, 64]), {});
    const [codes, ...rest] = await toBitsandbytes(weight, name);
    const stored = { ...codes, dtype: "bf16" as const, shape: [64, 1] };
    expect(await fromBitsandbytes([stored, ...rest], name).weight.bytes()).toEqual(await weight.bytes());
  });

  it("are of 4-bit weights alone", async () => {
    await expect(toBitsandbytes(zeros([2]), name)).rejects.toThrow(/up_proj.weight" is f32; only nf4 and fp4/);
  });
});

describe("fromBitsandbytes names what is broken", () => {
  type Change = (entries: Map<string, SafetensorsTensor>) => void;

  async function broken(change: Change, doubleQuant: boolean): Promise<unknown> {
    const entries = await toBitsandbytes(quantize4bit(draw([8, 96]), { doubleQuant }), name);
    const byKey = new Map(entries.map((entry) => [entry.name.slice(name.length + 1), entry]));
    change(byKey);
    try {
      return fromBitsandbytes(byKey.values(), name);
    } catch (error) {
      return error;
    }
  }

  const state = "quant_state.bitsandbytes__nf4";
  const set =
    (key: string, fields: Partial<SafetensorsTensor>): Change =>
    (entries) =>
      entries.set(key, {
        name: `${name}.${key}`,
        dtype: "f32",
        shape: [],
        bytes: new Uint8Array(0),
        ...entries.get(key),
        ...fields,
      });
  const json =
    (fields: Record<string, unknown>): Change =>
    (entries) => {
      const before = JSON.parse(text(entries.get(state)!.bytes));
      set(state, { bytes: new TextEncoder().encode(JSON.stringify({ ...before, ...fields })) })(entries);
    };
  const remove =
    (key: string): Change =>
    (entries) =>
      entries.delete(key);

  it.each<[string, Change, boolean, RegExp]>([
    ["no codes", remove(""), false, /up_proj.weight is missing; the checkpoint is damaged/],
    ["no scales", remove("absmax"), false, /weight.absmax is missing/],
    ["no map", remove("quant_map"), false, /weight.quant_map is missing/],
    ["no nested scales", remove("nested_absmax"), true, /weight.nested_absmax is missing/],
    ["no nested map", remove("nested_quant_map"), true, /weight.nested_quant_map is missing/],
    ["no state", remove(state), false, /nf4 or quant_state.bitsandbytes__fp4 is missing; .* exactly one/],
    ["two states", set("quant_state.bitsandbytes__fp4", {}), false, /is there twice; .* exactly one/],
    ["a foreign key", set("SCB", {}), false, /weight.SCB is not known; a quantised weight has absmax, quant_map/],
    ["codes cut off", set("", { bytes: new Uint8Array(383) }), false, /weight has 383 bytes; its state asks for 384/],
    ["scales cut off", set("absmax", { bytes: floats(1, 2) }), false, /absmax has 8 bytes; its state asks for 48/],
    ["scales of another dtype", set("absmax", { dtype: "f16" }), false, /absmax is f16; it must be f32/],
    ["nested scales that are wide", set("absmax", { dtype: "f32", bytes: new Uint8Array(12) }), true, /must be u8/],
    [
      "a NaN scale",
      set("absmax", { bytes: floats(1, NaN, ...Array(10).fill(1)) }),
      false,
      /absmax holds NaN at 1; scales/,
    ],
    ["a negative scale", set("absmax", { bytes: floats(...Array(11).fill(1), -1) }), false, /absmax holds -1 at 11/],
    [
      "an infinite nested scale",
      set("nested_absmax", { bytes: floats(Infinity) }),
      true,
      /nested_absmax holds Infinity at 0/,
    ],
    ["another map", set("quant_map", { bytes: floats(...Array(16).fill(0)) }), false, /code 0 means 0, not -1/],
    [
      "another nested map",
      set("nested_quant_map", { bytes: floats(...Array(256).fill(0)) }),
      true,
      /code 0 means 0, not -0.99/,
    ],
    [
      "stray nested scales",
      set("nested_absmax", { bytes: floats(1) }),
      false,
      /nested_absmax is present, but the state/,
    ],
    ["no JSON", set(state, { bytes: Uint8Array.of(123) }), false, /nf4 is not JSON in UTF-8/],
    ["no UTF-8", set(state, { bytes: Uint8Array.of(255) }), false, /nf4 is not JSON in UTF-8/],
    ["no object", set(state, { bytes: Uint8Array.of(91, 93) }), false, /nf4 is \[\], not an object/],
    ["an unknown field", json({ bits: 4 }), false, /nf4: the key "bits" is not known/],
    ["an unknown type", json({ quant_type: "int4" }), false, /quant_type is "int4"; it must be nf4 or fp4/],
    ["another type than the key's", json({ quant_type: "fp4" }), false, /nf4 says that quant_type is fp4/],
    [
      "a wrong block size",
      json({ blocksize: 48 }),
      false,
      /blocksize is 48; it must be a power of two from 32 to 4096/,
    ],
    ["a wrong dtype", json({ dtype: "int8" }), false, /dtype is "int8"; it must be float32, float16 or bfloat16/],
    ["no shape", json({ shape: null }), false, /shape is null; it must be an array of sizes/],
    ["a wrong shape", json({ shape: [8, -96] }), false, /shape is \[8,-96\]; it must be an array of sizes/],
    ["another shape", json({ shape: [8, 95] }), false, /weight has 384 bytes; its state asks for 380/],
    ["a huge shape", json({ shape: [2 ** 40, 2 ** 40] }), false, /weight has 384 bytes; its state asks for/],
    ["another nested block size", json({ nested_blocksize: 64 }), true, /nested_blocksize is 64; it must be 256/],
    ["another nested dtype", json({ nested_dtype: "float16" }), true, /nested_dtype is "float16"; it must be float32/],
    ["no offset", json({ nested_offset: undefined }), true, /nested_offset is missing; it must be a finite number/],
    [
      "an offset beyond f32",
      json({ nested_offset: 1e300 }),
      true,
      /nested_offset is 1e\+300; it must be a finite number/,
    ],
    ["only some nested fields", json({ nested_offset: 0.5 }), false, /nested_blocksize is missing; it must be 256/],
  ])("%s", async (_what, change, doubleQuant, message) => {
    const error = await broken(change, doubleQuant);
    expect(error).toBeInstanceOf(QuantStateError);
    expect((error as Error).message).toMatch(message);
  });

  it("never fails with anything but a QuantStateError, whatever bytes are changed", async () => {
    const pristine = await toBitsandbytes(quantize4bit(draw([8, 96]), { doubleQuant: true }), name);
    fc.assert(
      fc.property(fc.nat(pristine.length - 1), fc.nat(), fc.nat(255), (which, at, byte) => {
        const entries = pristine.map((entry, i) => {
          return i === which ? { ...entry, bytes: entry.bytes.with(at % entry.bytes.length, byte) } : entry;
        });
        try {
          fromBitsandbytes(entries, name);
        } catch (error) {
          expect(error).toBeInstanceOf(QuantStateError);
        }
      }),
      { numRuns: 500 },
    );
  });
});
