import { beforeAll, describe, expect, it } from "vitest";
import * as core from "../index.ts";

beforeAll(async () => {
  await core.init(core.reference());
});

// biome-ignore lint/suspicious/noExplicitAny: calls from JavaScript have no types
const loose = core as any;
const { tensor } = core;

describe("what is no number says what to give", () => {
  it.each<[string, unknown, string]>([
    [
      "text",
      ["a"],
      '"a" at data[0] is text, and tensors hold numbers; texts become token ids by tokenizer.encode(text)',
    ],
    ["ragged", [1, [2]], "ragged: at data[1] there is 1 entry, not a number; pad rows to one length"],
    ["ragged rows", [[1, 2], [3]], "at data[1] there is 1 entry, not 2 as those before it; pad rows to one length"],
    ["ragged deep", [[1], [[2]]], "ragged"],
    ["null", [[1, null]], "null at data[0][1] is no number"],
    ["undefined", undefined, "undefined is no number"],
    ["bigint", [1n], "the numbers at data[0] are bigint; give Int32Array.from(data, Number)"],
    ["BigInt64Array", BigInt64Array.of(1n), "the numbers are bigint"],
    ["ArrayBuffer", new ArrayBuffer(4), "give new Float32Array(buffer), or fromBytes(buffer, shape, dtype)"],
    ["Blob", new Blob([]), "fromBytes(await blob.arrayBuffer(), shape, dtype)"],
    ["an object", { x: 1 }, "is no number; give numbers"],
  ])("%s", (_name, data, message) => {
    expect(() => loose.tensor(data)).toThrow(message);
  });

  it("tensors", () => {
    expect(() => loose.tensor(tensor([1]))).toThrow("this is a tensor already; clone() copies it");
    expect(() => loose.tensor([tensor([1])])).toThrow("there is a tensor at data[0]; stack([a, b]) or cat([a, b])");
  });
});

it("takes rows that are typed arrays, and Float64Array", async () => {
  expect(await tensor([Float32Array.of(1, 2), Float32Array.of(3, 4)]).toArray()).toEqual([[1, 2], [3, 4]]); // biome-ignore format: rows
  expect(await tensor(Float64Array.of(0.5)).toArray()).toEqual([0.5]);
});

describe("dtypes of PyTorch say what they are called here", () => {
  it.each([
    ["float32", 'dtype "float32" is named "f32" in Lowrank'],
    ["torch.float32", 'dtype "torch.float32" is named "f32" in Lowrank'],
    ["float16", 'is named "f16" in Lowrank'],
    ["bfloat16", 'is named "bf16" in Lowrank'],
    ["int32", 'is named "i32" in Lowrank'],
    ["uint8", 'is named "u8" in Lowrank'],
    ["torch.bool", 'is named "bool" in Lowrank'],
    ["int64", 'there is no dtype "int64"; token ids, labels and positions are "i32"'],
    ["float64", "numbers are f32"],
    ["nf44", 'did you mean "nf4"?'],
  ])("%s", (dtype, message) => {
    for (const make of [
      () => loose.tensor([1], { dtype }),
      () => loose.zeros([1], { dtype }),
      () => loose.full([1], 1, { dtype }),
      () => loose.arange(3, { dtype }),
      () => loose.rand([1], { dtype }),
      () => loose.ones([1]).to(dtype),
      () => loose.fromBytes(new Uint8Array(4), [1], dtype),
    ]) {
      expect(make).toThrow(message);
    }
  });
});

describe("bytes", () => {
  it("come in any typed array, ArrayBuffer or DataView", async () => {
    const floats = Float32Array.of(1, 2);
    for (const bytes of [floats, floats.buffer, new DataView(floats.buffer), new Uint8Array(floats.buffer)]) {
      expect(await core.fromBytes(bytes, [2], "f32").toArray()).toEqual([1, 2]);
    }
    expect(() => loose.fromBytes(new Blob([]), [1], "f32")).toThrow("give await blob.arrayBuffer()");
    expect(() => loose.fromBytes([1, 2], [1], "f32")).toThrow(
      "it takes bytes, a Uint8Array or an ArrayBuffer, and a list",
    );
  });

  it("of safetensors come in a Blob too", async () => {
    const file = core.writeSafetensors([{ name: "a", dtype: "f32", shape: [1], bytes: new Uint8Array(4) }]);
    for (const source of [file, file.slice().buffer, new Blob([file.slice()])]) {
      expect((await core.openSafetensors(source)).names()).toEqual(["a"]);
    }
  });
});
