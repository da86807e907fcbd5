import { bytesSource } from "@lowrank/core";
import { describe, expect, test } from "vitest";
import { readGguf } from "./readGguf.ts";
import { ggufBytes } from "./testing/ggufBytes.ts";
import type { GgufTensor, GgufValue } from "./writeGguf.ts";

const read = (bytes: Uint8Array) => readGguf(bytesSource(bytes), "x.gguf");
const zeros = (name: string, shape: number[], bytes: number, type: GgufTensor["type"] = "F32"): GgufTensor => ({
  name,
  type,
  shape,
  read: async () => new Uint8Array(bytes),
});
const file = (metadata: Record<string, GgufValue>, tensors: GgufTensor[] = []) =>
  ggufBytes({ metadata: new Map(Object.entries(metadata)), tensors });

/** Returns a handmade header, little-endian or big-endian. */
function handMade(version: number, kinds: [key: string, type: number, value: number[]][], little = true): Uint8Array {
  const u32 = (value: number) => {
    const bytes = [value & 255, (value >> 8) & 255, (value >> 16) & 255, value >>> 24];
    return little ? bytes : bytes.reverse();
  };
  const u64 = (value: number) => (little ? [...u32(value), 0, 0, 0, 0] : [0, 0, 0, 0, ...u32(value)]);
  const size = version === 1 ? u32 : u64;
  const text = (value: string) => [...size(value.length), ...new TextEncoder().encode(value)];
  const entries = kinds.flatMap(([key, type, value]) => [...text(key), ...u32(type), ...value]);
  return Uint8Array.from([...text("GGUF").slice(-4), ...u32(version), ...size(0), ...size(kinds.length), ...entries]);
}

test("metadata with their types, tensors with their places", async () => {
  const bytes = await file(
    {
      "general.architecture": { type: "string", value: "llama" },
      "a.u32": { type: "u32", value: 4e9 },
      "a.i32": { type: "i32", value: -5 },
      "a.f32": { type: "f32", value: 0.5 },
      "a.bool": { type: "bool", value: true },
      "a.strings": { type: "strings", value: ["é", "", "x"] },
      "a.i32s": { type: "i32s", value: [1, -2] },
      "a.f32s": { type: "f32s", value: [] },
    },
    [zeros("w", [2, 64], 80, "Q4_1"), zeros("b", [3], 12)],
  );
  const { version, metadata, tensors } = await read(bytes);
  expect(version).toBe(3);
  expect(Object.fromEntries(metadata)).toEqual({
    "general.architecture": { type: "STRING", value: "llama" },
    "a.u32": { type: "UINT32", value: 4e9 },
    "a.i32": { type: "INT32", value: -5 },
    "a.f32": { type: "FLOAT32", value: 0.5 },
    "a.bool": { type: "BOOL", value: true },
    "a.strings": { type: "ARRAY/STRING", value: ["é", "", "x"] },
    "a.i32s": { type: "ARRAY/INT32", value: [1, -2] },
    "a.f32s": { type: "ARRAY/FLOAT32", value: [] },
  });
  const [w, b] = tensors.values();
  expect(w).toMatchObject({ name: "w", type: { name: "Q4_1" }, shape: [2, 64], byteLength: 80 });
  expect(b).toMatchObject({ name: "b", type: { name: "F32" }, shape: [3], offset: w.offset + 96, byteLength: 12 });
  expect(w.offset % 32).toBe(0);
});

test("tensors have up to 8 dimensions, or none", async () => {
  const shape = [1, 2, 1, 3, 1, 1, 2, 1];
  const { tensors } = await read(await file({}, [zeros("w", shape, 48), zeros("s", [], 4)]));
  expect(tensors.get("w")).toMatchObject({ shape, byteLength: 48 });
  expect(tensors.get("s")).toMatchObject({ shape: [], byteLength: 4 });
  const deeper = read(await file({}, [zeros("w", [1, ...shape], 48)]));
  await expect(deeper).rejects.toThrow('x.gguf: "w" has more than 8 dimensions');
});

test("integers of 64 bits, and lists of lists", async () => {
  const u32 = (value: number) => [value, 0, 0, 0];
  const u64 = (value: number) => [value, 0, 0, 0, 0, 0, 0, 0];
  const text = (value: string) => [...u64(value.length), ...new TextEncoder().encode(value)];
  const { metadata } = await read(
    handMade(3, [
      ["u64", 10, u64(7)],
      ["large", 10, [1, 0, 0, 0, 0, 0, 0, 128]],
      ["i64", 11, new Array(8).fill(255)],
      ["lists", 9, [...u32(9), ...u64(2), ...u32(8), ...u64(1), ...text("ab"), ...u32(4), ...u64(1), ...u32(3)]],
      ["after", 8, text("end")],
    ]),
  );
  expect(Object.fromEntries(Array.from(metadata, ([key, { value }]) => [key, value]))).toEqual({
    u64: 7,
    large: 2n ** 63n + 1n,
    i64: -1,
    lists: [["ab"], [3]],
    after: "end",
  });
});

describe("texts", () => {
  test("a byte order mark at the start is a character", async () => {
    const tokens = ["\uFEFF", "\uFEFFusing", "a\uFEFF"];
    const { metadata } = await read(await file({ tokens: { type: "strings", value: tokens } }));
    expect(metadata.get("tokens")?.value).toEqual(tokens);
  });

  test("a text that goes over the end of the part that is read first", async () => {
    // The last item starts before and ends after 2 MiB, the size of the first read.
    const tokens = ["x".repeat(1_400_000), "y".repeat(700_000)];
    const contents = { tokens: { type: "strings", value: tokens }, next: { type: "u32", value: 9 } } as const;
    const { metadata } = await read(await file(contents));
    expect((metadata.get("tokens")!.value as string[]).map((token) => token.length)).toEqual([1_400_000, 700_000]);
    expect(metadata.get("next")?.value).toBe(9);
  });
});

describe("errors", () => {
  test("no GGUF file", async () => {
    await expect(read(new TextEncoder().encode("<html>not found</html>"))).rejects.toThrow(
      'x.gguf cannot be read as GGUF: it does not begin with "GGUF"',
    );
    await expect(read(new Uint8Array(0))).rejects.toThrow("x.gguf cannot be read as GGUF");
  });

  test("a file that is cut off", async () => {
    const bytes = await file({ key: { type: "string", value: "value" } }, [zeros("w", [64], 256)]);
    await expect(read(bytes.subarray(0, -1))).rejects.toThrow(
      `x.gguf ends at byte ${bytes.length - 1}, before the end of "w"; it is cut off: download it again`,
    );
    await expect(read(bytes.subarray(0, 40))).rejects.toThrow("within its header; it is cut off");
  });

  test("old and big-endian files", async () => {
    await expect(read(handMade(1, []))).rejects.toThrow("x.gguf is version 1 GGUF; convert the model again");
    await expect(read(handMade(3, [], false))).rejects.toThrow("x.gguf is big-endian GGUF; convert the model again");
    await expect(read(handMade(0, []))).rejects.toThrow("x.gguf is GGUF of version 0; only 2 and 3 can be read");
    await expect(read(handMade(2, []))).resolves.toMatchObject({ version: 2 });
    await expect(read(handMade(4, []))).rejects.toThrow("x.gguf is GGUF of version 4; only 2 and 3 can be read");
  });

  test("metadata of no known type, and lists within lists within lists", async () => {
    const list = [9, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0];
    await expect(read(handMade(3, [["odd", 13, []]]))).rejects.toThrow("odd: a value has the unknown type 13");
    const deep = handMade(3, [["deep", 9, Array.from({ length: 9 }, () => list).flat()]]);
    await expect(read(deep)).rejects.toThrow("deep: its lists are nested more than 4 deep");
    const aligned = file({ "general.alignment": { type: "u32", value: 0 } });
    await expect(read(await aligned)).rejects.toThrow("general.alignment is 0; expected a positive whole number");
    const tight = await file({ "general.alignment": { type: "u32", value: 1 } });
    await expect(read(tight)).resolves.toMatchObject({ tensors: new Map() });
  });

  test("a tensor of a type that cannot be read, rows that are no whole blocks, two of one name", async () => {
    const bytes = await file({}, [zeros("w", [2, 32], 40, "Q4_1")]);
    const withType = (id: number) => {
      const other = bytes.slice();
      // Offsets: magic, version and counts (24); the name's length and "w" (9); the number of dimensions (4) and two
      // sizes (16).
      new DataView(other.buffer).setUint32(24 + 9 + 4 + 16, id, true);
      return other;
    };
    await expect(read(withType(16))).rejects.toThrow('x.gguf: "w" is IQ2_XXS; only F32, F16, Q4_0,');
    await expect(read(withType(200))).rejects.toThrow('"w" is of type 200; only');
    await expect(read(withType(12))).rejects.toThrow('"w" is [2,32]; rows of Q4_K must be whole blocks of 256');
    const two = await file({}, [zeros("v", [1], 4), zeros("w", [1], 4)]);
    two[two.indexOf("v".charCodeAt(0), 24)] = "w".charCodeAt(0);
    await expect(read(two)).rejects.toThrow('x.gguf holds two tensors named "w"');
  });
});
