import { expect, test } from "vitest";
import { fourBitLayout } from "../packed/blockwise/fourBitLayout.ts";
import { type QuantState, QuantStateError, readQuantState, writeQuantState } from "./quantState.ts";

const state: QuantState = { quantType: "nf4", blockSize: 64, dtype: "bf16", shape: [3, 64] };
const bytesOf = (text: string) => new TextEncoder().encode(text);
const read = (json: unknown) => () => readQuantState(bytesOf(JSON.stringify(json)), "w.state");

/** The fields with bitsandbytes' names. */
const fields = { quant_type: "nf4", blocksize: 64, dtype: "bfloat16", shape: [3, 64] };
const nested = { nested_blocksize: 256, nested_dtype: "float32", nested_offset: 0.5 };

test("states have the text that Python's json writes, and come back", () => {
  const text = '{"quant_type": "nf4", "blocksize": 64, "dtype": "bfloat16", "shape": [3, 64]';
  const more = ', "nested_blocksize": 256, "nested_dtype": "float32", "nested_offset": 1e-05';
  expect(new TextDecoder().decode(writeQuantState(state))).toBe(`${text}}`);
  expect(new TextDecoder().decode(writeQuantState({ ...state, offset: 1e-5 }))).toBe(`${text}${more}}`);
  for (const blockSize of [32, 64, 128, 256, 512, 1024, 2048, 4096]) {
    for (const dtype of ["f32", "f16", "bf16"] as const) {
      for (const offset of [0, 0.25]) {
        const one: QuantState = { quantType: "fp4", blockSize, dtype, shape: [1, 7], offset };
        expect(readQuantState(writeQuantState(one), "w")).toEqual(one);
      }
      const plain: QuantState = { quantType: "nf4", blockSize, dtype, shape: [1] };
      expect(readQuantState(writeQuantState(plain), "w")).toEqual(plain);
    }
  }
});

test("states are UTF-8", () => {
  const bytes = bytesOf(JSON.stringify({ ...fields, quant_type: "?" }));
  const damaged = bytes.map((byte) => (byte === 63 ? 0xff : byte));
  expect(() => readQuantState(damaged, "w.state")).toThrow("w.state is not JSON in UTF-8; the checkpoint is damaged");
});

test.each<[string, unknown, string]>([
  ["another type", { ...fields, quant_type: "int4" }, 'quant_type is "int4"; it must be nf4 or fp4'],
  ["no type", { ...fields, quant_type: undefined }, "quant_type is missing; it must be nf4 or fp4"],
  ...[16, 31, 33, 48, 65, 129, 257, 513, 1025, 2049, 4097, 8192, "64"].map((blocksize): [string, unknown, string] => [
    `blocks of ${blocksize}`,
    { ...fields, blocksize },
    `blocksize is ${JSON.stringify(blocksize)}; it must be a power of two from 32 to 4096`,
  ]),
  ["another dtype", { ...fields, dtype: "float64" }, 'dtype is "float64"; it must be float32, float16 or bfloat16'],
  ["sizes of 0", { ...fields, shape: [0, 64] }, "shape is [0,64]; it must be an array of sizes"],
  ["sizes below 0", { ...fields, shape: [-1, 64] }, "shape is [-1,64]"],
  ["halves of sizes", { ...fields, shape: [1.5] }, "shape is [1.5]"],
  ["no list of sizes", { ...fields, shape: 64 }, "shape is 64"],
  ["unknown keys", { ...fields, more: 1 }, 'the key "more" is not known'],
  ["other nested blocks", { ...fields, ...nested, nested_blocksize: 128 }, "nested_blocksize is 128; it must be 256"],
  ["another nested dtype", { ...fields, ...nested, nested_dtype: "float16" }, "it must be float32"],
  ["no offset", { ...fields, nested_blocksize: 256, nested_dtype: "float32" }, "it must be a finite number"],
  ["an offset beyond f32", { ...fields, ...nested, nested_offset: 1e39 }, "it must be a finite number"],
  ["only an offset", { ...fields, nested_offset: 0.5 }, "nested_blocksize is missing; it must be 256"],
  ["null", null, "w.state is null, not an object"],
  ["a list", [fields], "not an object"],
  ["a number", 4, "w.state is 4, not an object"],
])("%s is refused", (_name, json, message) => {
  expect(read(json)).toThrow(QuantStateError);
  expect(read(json)).toThrow(message);
});

test("fields in other orders are read, nested or not", () => {
  expect(read(Object.fromEntries(Object.entries({ ...fields, ...nested }).reverse()))()).toEqual({
    ...state,
    offset: 0.5,
  });
  expect(read(fields)()).toEqual(state);
});

test("what is no JSON in UTF-8 is refused", () => {
  const broken = Uint8Array.from(writeQuantState(state));
  broken[broken.indexOf("n".charCodeAt(0), 14)] = 0xff;
  for (const bytes of [broken, bytesOf("{"), new Uint8Array(0)]) {
    expect(() => readQuantState(bytes, "w.state")).toThrow("w.state is not JSON in UTF-8; the checkpoint is damaged");
  }
});

test("scales that are not nested have no second level", () => {
  expect(fourBitLayout(130, { blockSize: 64, nested: false })).toEqual({
    ...{ codes: 64, codeBytes: 65, absmax: 192, blocks: 3, nested: 0, nestedBlocks: 0, byteLength: 204 },
  });
  expect(fourBitLayout(32 * 257, { blockSize: 32, nested: true })).toMatchObject({ blocks: 257, nestedBlocks: 2 });
  expect(fourBitLayout(32 * 256, { blockSize: 32, nested: true })).toMatchObject({ blocks: 256, nestedBlocks: 1 });
});
