import { bytesSource } from "@lowrank/core";
import fc from "fast-check";
import { expect, test } from "vitest";
import { readBlocks } from "../checkpoint/gguf/readBlocks.ts";
import { readGguf } from "./readGguf.ts";
import { ggufBytes } from "./testing/ggufBytes.ts";
import { encodedLength, encodings, type GgufEncoding } from "./types/ggmlTypes.ts";
import { type GgufTensor, type GgufValue, writeGguf } from "./writeGguf.ts";

const tensorLists = fc.uniqueArray(
  fc
    .record({
      name: fc.string({ minLength: 1, maxLength: 20 }),
      type: fc.constantFrom(...(Object.keys(encodings) as GgufEncoding[])),
      rows: fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 3 }),
      blocks: fc.integer({ min: 1, max: 3 }),
      fill: fc.nat({ max: 255 }),
    })
    .map(({ name, type, rows, blocks, fill }) => {
      const shape = [...rows, blocks * encodings[type].block.elements];
      const length = encodedLength(
        type,
        shape.reduce((product, size) => product * size, 1),
      );
      return { name, type, shape, bytes: new Uint8Array(length).map((_, i) => fill + i * 7) };
    }),
  { selector: ({ name }) => name, maxLength: 6 },
);

test("every tensor lies where the table says, at a multiple of 32", async () => {
  await fc.assert(
    fc.asyncProperty(tensorLists, async (tensors) => {
      const metadata = new Map([["general.architecture", { type: "string", value: "llama" } as const]]);
      const written = tensors.map(({ bytes, ...tensor }) => ({ ...tensor, read: async () => bytes }));
      const source = bytesSource(await ggufBytes({ metadata, tensors: written }));
      const { tensors: found } = await readGguf(source, "x.gguf");
      expect([...found.keys()]).toEqual(tensors.map(({ name }) => name));
      for (const { name, type, shape, bytes } of tensors) {
        const info = found.get(name)!;
        expect(info).toMatchObject({ type: { name: type }, shape, byteLength: bytes.length });
        expect(info.offset % 32).toBe(0);
        expect(await readBlocks(source, info, "x.gguf")).toEqual(bytes);
      }
      expect(source.size % 32).toBe(0);
    }),
  );
});

test("a tensor is read when those before it have been taken", async () => {
  const read: string[] = [];
  const tensor = (name: string): GgufTensor => ({
    name,
    type: "F32",
    shape: [2],
    read: async () => {
      read.push(name);
      return new Uint8Array(8);
    },
  });
  const pieces = writeGguf({ metadata: new Map(), tensors: [tensor("a"), tensor("b")] });
  await pieces.next();
  expect(read).toEqual([]);
  await pieces.next();
  expect(read).toEqual(["a"]);
});

test("true is the byte 1, and metadata may be larger than 64 kB", async () => {
  const metadata = new Map<string, GgufValue>([
    ["flags", { type: "bools", value: [true, false] }],
    ["text", { type: "string", value: "x".repeat(70_000) }],
  ]);
  const bytes = await ggufBytes({ metadata, tensors: [] });
  // Offsets: magic, version and counts (24); the key (8 and 5), two types (8) and the length of the list (8).
  expect([...bytes.subarray(24 + 13 + 16, 24 + 13 + 18)]).toEqual([1, 0]);
  const { metadata: read } = await readGguf(bytesSource(bytes), "x.gguf");
  expect(read.get("text")?.value).toHaveLength(70_000);
});

test.each<[string, Partial<GgufTensor>[], string]>([
  ["two of one name", [{}, {}], 'writeGguf: two tensors are named "w"'],
  ["rows of broken blocks", [{ type: "Q8_0", shape: [2, 48] }], '"w" is [2,48]; Q8_0 needs rows of whole blocks of 32'],
  [
    "one number of a type with blocks",
    [{ type: "Q8_0", shape: [] }],
    '"w" is []; Q8_0 needs rows of whole blocks of 32',
  ],
  ["too few bytes", [{ shape: [3] }], '"w", F32 of shape [3], takes 12 bytes, not 8'],
])("refuses %s", async (_, parts, message) => {
  const whole: GgufTensor = { name: "w", type: "F32", shape: [2], read: async () => new Uint8Array(8) };
  const tensors = parts.map((part) => ({ ...whole, ...part }));
  await expect(ggufBytes({ metadata: new Map(), tensors })).rejects.toThrow(message);
});
