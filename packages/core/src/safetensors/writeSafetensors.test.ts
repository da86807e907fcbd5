import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type SafetensorsDType,
  SafetensorsError,
  type SafetensorsTensor,
  safetensorsFileLength,
  streamSafetensors,
  writeSafetensors,
} from "./index.ts";
import { safetensorsBits, safetensorsByteLength } from "./safetensorsDType.ts";
import { failure, fileOf, open, readOrRefuse } from "./testing/safetensorsCases.ts";

/** Tensors of every dtype with distinct names; some are scalars or have empty dimensions. */
const tensorLists: fc.Arbitrary<SafetensorsTensor[]> = fc.uniqueArray(
  fc
    .record({
      name: fc.string({ unit: "binary", maxLength: 12 }).filter((name) => name !== "__metadata__"),
      dtype: fc.constantFrom(...(Object.keys(safetensorsBits) as SafetensorsDType[])),
      shape: fc.array(fc.nat({ max: 4 }), { maxLength: 4 }),
      fill: fc.nat({ max: 255 }),
    })
    .filter(({ dtype, shape }) => !Number.isNaN(safetensorsByteLength(dtype, shape)))
    .map(({ fill, ...tensor }) => ({
      ...tensor,
      bytes: new Uint8Array(safetensorsByteLength(tensor.dtype, tensor.shape)).map((_, i) => fill + i * 7),
    })),
  { selector: (tensor) => tensor.name, maxLength: 8 },
);
const metadatas = fc.option(fc.dictionary(fc.string({ unit: "binary" }), fc.string({ unit: "binary" })), {
  nil: undefined,
});

describe("writing", () => {
  it("lays a file out as the format's own library does", () => {
    const zeros = (name: string, dtype: SafetensorsTensor["dtype"], shape: number[], bytes: number) => ({
      name,
      dtype,
      shape,
      bytes: new Uint8Array(bytes).fill(name.charCodeAt(0)),
    });
    // U+FFFF sorts before U+10000 by its UTF-8 bytes, but after it by UTF-16 units.
    const file = writeSafetensors(
      [
        zeros("\u{10000}", "u8", [1], 1),
        zeros("\uffff", "u8", [1], 1),
        zeros('é/\\\n"', "u8", [], 1),
        zeros("b", "f32", [2], 8),
        zeros("a", "bool", [2, 0], 0),
        zeros("c", "I64", [1], 8),
        zeros("d", "bf16", [1], 2),
        zeros("e", "f16", [1], 2),
        zeros("f", "i32", [1], 4),
        zeros("aa", "f32", [1, 1], 4),
      ],
      { format: "pt" },
    );
    const length = Number(new DataView(file.buffer).getBigUint64(0, true));
    const header = new TextDecoder().decode(file.subarray(8, 8 + length));
    expect(length % 8).toBe(0);
    expect(header.trimEnd()).toBe(
      '{"__metadata__":{"format":"pt"},"c":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},' +
        '"aa":{"dtype":"F32","shape":[1,1],"data_offsets":[8,12]},"b":{"dtype":"F32","shape":[2],"data_offsets":[12,20]},' +
        '"f":{"dtype":"I32","shape":[1],"data_offsets":[20,24]},"d":{"dtype":"BF16","shape":[1],"data_offsets":[24,26]},' +
        '"e":{"dtype":"F16","shape":[1],"data_offsets":[26,28]},"é/\\\\\\n\\"":{"dtype":"U8","shape":[],"data_offsets":[28,29]},' +
        '"\uffff":{"dtype":"U8","shape":[1],"data_offsets":[29,30]},"\u{10000}":{"dtype":"U8","shape":[1],"data_offsets":[30,31]},' +
        '"a":{"dtype":"BOOL","shape":[2,0],"data_offsets":[31,31]}}',
    );
    expect(new TextDecoder("latin1").decode(file.subarray(8 + length))).toBe(
      `${"c".repeat(8)}${"a".repeat(4)}${"b".repeat(8)}ffffddee\xe9\xff\0`,
    );
  });

  it("has names in the order of their UTF-8 bytes", () => {
    // Pairs in this order, on both sides of the lengths of UTF-8 and of the surrogates of UTF-16.
    const names = ["", "a", "ab", "b", "\x7f", "\x80", "\u07ff", "\u0800", "\ud7ff", "\ue000", "\ue001", "\uffff"];
    names.push("\u{10000}", "\u{10001}", "\u{103ff}", "\u{10400}", "\u{10ffff}");
    for (const [i, first] of names.entries()) {
      for (const second of names.slice(i + 1)) {
        const written = [second, first].map((name) => ({
          name,
          dtype: "u8" as const,
          shape: [0],
          bytes: new Uint8Array(),
        }));
        const text = new TextDecoder().decode(writeSafetensors(written).subarray(8));
        expect(Object.keys(JSON.parse(text))).toEqual([first, second]);
      }
    }
  });

  it("gives the same bytes piece by piece, one tensor after the other", async () => {
    await fc.assert(
      fc.asyncProperty(tensorLists, metadatas, async (tensors, metadata) => {
        let reading = 0;
        const pieces = tensors.map(({ bytes, ...rest }) => ({
          ...rest,
          read: async () => {
            reading++;
            return bytes;
          },
        }));
        const joined: number[] = [];
        let count = -1;
        for await (const piece of streamSafetensors(pieces, metadata)) {
          count++;
          expect(reading).toBe(count);
          joined.push(...piece);
        }
        expect(joined).toEqual([...writeSafetensors(tensors, metadata)]);
      }),
    );
  });

  it("refuses a piece of another length than its shape's", async () => {
    const piece = { name: "w", dtype: "f32" as const, shape: [2], read: async () => new Uint8Array(7) };
    const drain = async () => {
      for await (const _ of streamSafetensors([piece]));
    };
    expect(await failure(drain)).toContain('tensor "w", F32 of shape [2], takes 8 bytes, but 7 were given');
  });

  it("writes an empty file, with and without metadata", () => {
    expect(writeSafetensors([])).toEqual(fileOf("{}      "));
    expect(writeSafetensors([], {})).toEqual(fileOf('{"__metadata__":{}}     '));
  });

  it("round trips any dtypes, shapes and names", async () => {
    await fc.assert(
      fc.asyncProperty(tensorLists, metadatas, async (list, metadata) => {
        const bytes = writeSafetensors(list, metadata);
        const specs = list.map(({ bytes: _, ...spec }) => spec);
        expect(safetensorsFileLength(specs, metadata)).toBe(bytes.length);
        const file = await open(bytes);
        expect(Object.entries(file.metadata).sort()).toEqual(Object.entries(metadata ?? {}).sort());
        expect(file.names().sort()).toEqual(list.map(({ name }) => name).sort());
        const again: SafetensorsTensor[] = [];
        for (const { name, ...tensor } of list) {
          const stored = await file.readStored(name);
          expect(stored).toEqual(tensor);
          again.push({ name, ...stored });
        }
        expect(writeSafetensors(again.reverse(), metadata)).toEqual(bytes);
      }),
      { numRuns: 300 },
    );
  });

  it("refuses what would not be a file", () => {
    const one = { name: "a", dtype: "u8", shape: [1], bytes: Uint8Array.of(1) } as const;
    const write = (...tensors: SafetensorsTensor[]) => writeSafetensors(tensors);
    expect(() => write(one, one)).toThrow(SafetensorsError);
    expect(() => write(one, { ...one, dtype: "f32", bytes: new Uint8Array(4) })).toThrow('two tensors are named "a"');
    expect(() => write({ ...one, name: "__metadata__" })).toThrow('cannot be named "__metadata__"');
    expect(() => write({ ...one, name: "\ud800" })).toThrow('tensor name "\\ud800" is not a string of valid Unicode');
    expect(() => write({ ...one, shape: [2] })).toThrow("takes 2 bytes, but 1 were given");
    for (const size of [-1, 0.5, Number.NaN, 2 ** 53]) {
      expect(() => write({ ...one, shape: [size] })).toThrow(`shape [${size}]; sizes are integers >= 0`);
    }
    expect(() => write({ ...one, dtype: "f64" as "f32" })).toThrow("unknown dtype f64");
    expect(() => writeSafetensors([one], { n: 1 as unknown as string })).toThrow("metadata n: 1 is not a string");
  });

  it("never fails with anything but a SafetensorsError, whatever bytes are changed, lost or added", async () => {
    const edits = fc.array(fc.record({ at: fc.nat(), byte: fc.nat({ max: 255 }) }), { maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(
        tensorLists,
        metadatas,
        edits,
        fc.integer({ min: -20, max: 20 }),
        async (list, meta, at, grow) => {
          const whole = writeSafetensors(list, meta);
          const broken = new Uint8Array(Math.max(0, whole.length + grow));
          broken.set(whole.subarray(0, broken.length));
          for (const edit of at) if (broken.length) broken[edit.at % broken.length] = edit.byte;
          await readOrRefuse(broken);
        },
      ),
      { numRuns: 500 },
    );
  });
});
