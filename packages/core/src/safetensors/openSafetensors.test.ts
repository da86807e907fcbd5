import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type ByteSource,
  blobSource,
  bytesSource,
  openSafetensors,
  SafetensorsError,
  writeSafetensors,
} from "./index.ts";
import { safetensorsBits } from "./safetensorsDType.ts";
import { failure, fileOf, open, readOrRefuse } from "./testing/safetensorsCases.ts";

const u8 = (shape: number[], begin: number, end: number) => ({ dtype: "U8", shape, data_offsets: [begin, end] });

describe("reading", () => {
  it("reads tensors by name, and only the bytes it needs", async () => {
    const floats = Float32Array.of(1, -2, 3.5, 4, 5, 6);
    const file = writeSafetensors(
      [
        { name: "w", dtype: "f32", shape: [2, 3], bytes: new Uint8Array(floats.buffer) },
        { name: "flag", dtype: "bool", shape: [], bytes: Uint8Array.of(1) },
      ],
      { format: "pt" },
    );
    const reads: [number, number][] = [];
    const { size, read } = bytesSource(file);
    const opened = await openSafetensors({
      size,
      read: (offset, length) => {
        reads.push([offset, length]);
        return read(offset, length);
      },
    });
    expect(opened.metadata).toEqual({ format: "pt" });
    expect(opened.names()).toEqual(["w", "flag"]);
    expect(opened.has("w")).toBe(true);
    expect(opened.has("toString")).toBe(false);
    expect(opened.info("w")).toEqual({ dtype: "F32", shape: [2, 3], byteLength: 24 });
    expect(reads).toEqual([
      [0, 8],
      [8, file.length - 8 - 25],
    ]);
    const { dtype, shape, bytes } = await opened.read("w");
    expect(reads[2]).toEqual([file.length - 25, 24]);
    expect(dtype).toBe("f32");
    expect(shape).toEqual([2, 3]);
    expect(new Float32Array(bytes.buffer, bytes.byteOffset, 6)).toEqual(floats);
    expect(await opened.read("flag")).toEqual({ dtype: "bool", shape: [], bytes: Uint8Array.of(1) });
  });

  it("is written of an ArrayBuffer, and refuses other bytes and dtypes by name", async () => {
    const spec = { name: "x", dtype: "f32" as const, shape: [1] };
    const bytes = Uint8Array.of(0, 0, 128, 63);
    expect(writeSafetensors([{ ...spec, bytes: bytes.buffer }])).toEqual(writeSafetensors([{ ...spec, bytes }]));
    expect(() => writeSafetensors([{ ...spec, bytes: [0, 0, 128, 63] as never }])).toThrow(
      'writeSafetensors: tensor "x": it takes bytes, a Uint8Array or an ArrayBuffer, and a list was given',
    );
    expect(() => writeSafetensors([{ ...spec, dtype: "float32" as never, bytes }])).toThrow(
      'writeSafetensors: tensor "x" has the unknown dtype float32; there are f32, f16, bf16',
    );
  });

  it("reads a blob as it reads memory", async () => {
    const file = writeSafetensors([{ name: "x", dtype: "u8", shape: [3], bytes: Uint8Array.of(7, 8, 9) }]);
    const opened = await openSafetensors(blobSource(new Blob([file as Uint8Array<ArrayBuffer>])));
    expect((await opened.read("x")).bytes).toEqual(Uint8Array.of(7, 8, 9));
  });

  it("aligns bytes to their element wherever the header ends and the buffer starts", async () => {
    for (let shift = 0; shift < 8; shift++) {
      const data = new Uint8Array(Float32Array.of(1.5, 2.5).buffer);
      const header = `{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}${" ".repeat(shift)}`;
      const { bytes } = await (await open(fileOf(header, data))).read("x");
      expect(bytes.byteOffset % 4).toBe(0);
      expect(new Float32Array(bytes.buffer, bytes.byteOffset, 2)).toEqual(Float32Array.of(1.5, 2.5));
    }
  });

  it("copies the bytes in memory only if they begin between elements", async () => {
    const room = new ArrayBuffer(128);
    const described = (dtype: string, shape: number[]) => ({ x: { dtype, shape, data_offsets: [0, 8] } });
    for (let shift = 0; shift < 8; shift++) {
      for (const [dtype, shape, bytes] of [
        ["F32", [2], 4] as const,
        ["U8", [8], 1] as const,
        ["F4", [16], 1] as const,
      ]) {
        const made = fileOf(described(dtype, [...shape]), [1, 2, 3, 4, 5, 6, 7, 8]);
        const file = new Uint8Array(room, shift, made.length);
        file.set(made);
        const stored = await (await open(file)).readStored("x");
        expect([...stored.bytes]).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
        const begin = shift + made.length - 8;
        expect(stored.bytes.buffer === room).toBe(begin % bytes === 0);
      }
    }
  });

  it("has tensors in any order in its header, and empty ones between the others", async () => {
    const header = { c: u8([1], 3, 4), b: u8([2], 1, 3), a: u8([1], 0, 1), none: u8([0], 1, 1), last: u8([0], 4, 4) };
    const file = await open(fileOf(header, [5, 6, 7, 8]));
    const read = async (name: string) => [...(await file.read(name)).bytes];
    expect(await Promise.all(["a", "none", "b", "c", "last"].map(read))).toEqual([[5], [], [6, 7], [8], []]);
  });

  it("refuses a header of more than 100 million bytes", async () => {
    const opened = (length: number) => {
      const read = async (_: number, count: number) => {
        if (count > 8) throw new RangeError(`a read of ${count}`);
        return new Uint8Array(BigUint64Array.of(BigInt(length)).buffer);
      };
      return openSafetensors({ size: 2 ** 32, read });
    };
    await expect(opened(100_000_000)).rejects.toThrow(new RangeError("a read of 100000000"));
    await expect(opened(100_000_001)).rejects.toThrow(
      "the header would take 100000001 bytes, and at most 100000000 are possible in this file of 4294967296",
    );
  });

  it("reads I64 as i32, and names a value that does not fit", async () => {
    const write = (...values: bigint[]) =>
      writeSafetensors([
        { name: "ids", dtype: "I64", shape: [values.length], bytes: new Uint8Array(BigInt64Array.from(values).buffer) },
      ]);
    const fitting = [0n, -1n, -100n, 2n ** 31n - 1n, -(2n ** 31n)];
    const { dtype, shape, bytes } = await (await open(write(...fitting))).read("ids");
    expect(dtype).toBe("i32");
    expect(shape).toEqual([5]);
    expect(Array.from(new Int32Array(bytes.buffer, bytes.byteOffset, 5), BigInt)).toEqual(fitting);
    for (const value of [2n ** 31n, -(2n ** 31n) - 1n, 2n ** 32n, -(2n ** 63n), 2n ** 63n - 1n]) {
      const file = await open(write(1n, value));
      expect(await failure(() => file.read("ids"))).toContain(`tensor "ids" is I64 and holds ${value} at index 1`);
    }
  });

  it("reads in parts, into the room that is given where the source can", async () => {
    const values = Float32Array.from({ length: 7 }, (_, i) => i - 2);
    const ids = new Uint8Array(BigInt64Array.from([5n, -1n]).buffer);
    const bytes = writeSafetensors([
      { name: "w", dtype: "f32", shape: [7], bytes: new Uint8Array(values.buffer) },
      { name: "ids", dtype: "I64", shape: [2], bytes: ids },
      { name: "none", dtype: "f32", shape: [0, 3], bytes: new Uint8Array(0) },
      { name: "wide", dtype: "F64", shape: [1], bytes: new Uint8Array(8) },
    ]);
    const source = bytesSource(bytes);
    const filling: ByteSource = {
      ...source,
      readInto: async (offset, room) => room.set(bytes.subarray(offset, offset + room.length)),
    };
    const room = new Uint8Array(16);
    for (const [of, lengths] of [
      [filling, [16, 12]],
      [source, [28]],
    ] as const) {
      const file = await openSafetensors(of, "a.safetensors");
      const gather = async (name: string) => {
        const { dtype, shape, parts } = file.readParts(name, room);
        const found: number[][] = [];
        for await (const part of parts) found.push([...part]);
        return { dtype, shape, lengths: found.map(({ length }) => length), bytes: Uint8Array.from(found.flat()) };
      };
      const w = await gather("w");
      expect(w).toMatchObject({ dtype: "f32", shape: [7], lengths });
      expect(Array.from(new Float32Array(w.bytes.buffer))).toEqual(Array.from(values));
      const { bytes: narrowed, ...other } = await gather("ids");
      expect(other).toEqual({ dtype: "i32", shape: [2], lengths: [8] });
      expect(Array.from(new Int32Array(narrowed.buffer))).toEqual([5, -1]);
      expect((await gather("none")).bytes.length).toBe(0);
      expect(await failure(() => gather("wide"))).toContain('tensor "wide" is F64; only F32, F16,');
      expect(await failure(() => gather("b"))).toContain('there is no tensor "b"');
    }
    const odd = (await openSafetensors(filling)).readParts("w", new Uint8Array(6)).parts[Symbol.asyncIterator]();
    expect(await failure(() => odd.next())).toContain("readParts: the buffer has 6 bytes; give a multiple of 8");
  });

  it("opens a file with a dtype that tensors lack, copies it, and refuses only to read it", async () => {
    const bytes = new Uint8Array(Float64Array.of(1, 2).buffer);
    const file = await open(
      writeSafetensors([
        { name: "wide", dtype: "F64", shape: [2], bytes },
        { name: "x", dtype: "u8", shape: [1], bytes: Uint8Array.of(1) },
      ]),
    );
    expect(file.info("wide").dtype).toBe("F64");
    expect((await file.read("x")).bytes).toEqual(Uint8Array.of(1));
    expect(await file.readStored("wide")).toEqual({ dtype: "F64", shape: [2], bytes });
    expect(await failure(() => file.read("wide"))).toContain('a.safetensors: tensor "wide" is F64; only F32, F16,');
  });

  it("says what a file holds when asked for what it does not", async () => {
    const file = await open(fileOf({ a: u8([1], 0, 1) }, [1]));
    expect(await failure(() => file.read("b"))).toBe('a.safetensors: there is no tensor "b"; the file holds a');
    expect(() => file.info("b")).toThrow(SafetensorsError);
  });

  it("notices a source that gives fewer bytes than it promised", async () => {
    const source = bytesSource(fileOf({ a: u8([4], 0, 4) }, [1, 2, 3, 4]));
    const short = await openSafetensors({
      size: source.size,
      read: async (offset, length) => (await source.read(offset, length)).subarray(0, length === 4 ? 3 : length),
    });
    expect(await failure(() => short.read("a"))).toContain('tensor "a": reading 4 bytes at');
  });
});

it("takes metadata of null, as MLX writes it, for none", async () => {
  const { metadata } = await openSafetensors(bytesSource(fileOf('{"__metadata__":null}')));
  expect(metadata).toEqual({});
});

describe("malformed files", () => {
  const long = fileOf("{}");
  new DataView(long.buffer).setBigUint64(0, 2n ** 63n, true);
  const pointer = new TextEncoder().encode("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n");
  const nested = `{"a":${"[".repeat(200_000)}${"]".repeat(200_000)}}`;

  it.each<[string, Uint8Array, string]>([
    ["empty", new Uint8Array(0), "0 bytes are too few"],
    ["shorter than the length", new Uint8Array(7), "7 bytes are too few"],
    ["header length of 2^63", long, "the header would take 9223372036854775808 bytes, and at most 2 are possible"],
    ["cut in the header", fileOf("{}   ").subarray(0, 11), "the header would take 5 bytes, and at most 3"],
    ["Git LFS pointer", pointer, "a Git LFS pointer, or not safetensors"],
    ["empty header", fileOf(""), "not valid JSON"],
    ["not JSON", fileOf("hello"), "not valid JSON"],
    ["byte order mark", fileOf("\ufeff{}"), "not valid JSON"],
    ["not UTF-8", Uint8Array.of(4, 0, 0, 0, 0, 0, 0, 0, 0x22, 0xff, 0xff, 0x22), "not valid JSON in UTF-8"],
    ["array", fileOf("[1,2]"), "the header is [1,2] and must be a JSON object"],
    ["null", fileOf("null"), "the header is null and must be"],
    ["tensor of null", fileOf({ a: null }), 'tensor "a" is described by null; it needs dtype'],
    ["deep nesting", fileOf(nested), 'tensor "a" is described by [...]'],
    ["no dtype", fileOf({ a: { shape: [], data_offsets: [0, 0] } }), "unknown dtype missing"],
    [
      "unknown dtype",
      fileOf({ a: { ...u8([], 0, 1), dtype: "F128" } }, [0]),
      'tensor "a" has the unknown dtype "F128"',
    ],
    ["prototype dtype", fileOf({ a: { ...u8([], 0, 1), dtype: "toString" } }, [0]), 'unknown dtype "toString"'],
    ["negative size", fileOf({ a: u8([-1], 0, 0) }), "has the shape [-1]; sizes are integers of at least 0"],
    ["fractional size", fileOf({ a: u8([1.5], 0, 0) }), "has the shape [1.5]"],
    ["size as text", fileOf('{"a":{"dtype":"U8","shape":["2"],"data_offsets":[0,2]}}', [0, 0]), 'has the shape ["2"]'],
    ["shape missing", fileOf({ a: { dtype: "U8", data_offsets: [0, 0] } }), "has the shape missing"],
    ["offsets missing", fileOf({ a: { dtype: "U8", shape: [] } }), "has the data_offsets missing"],
    ["three offsets", fileOf({ a: { ...u8([1], 0, 1), data_offsets: [0, 1, 1] } }, [0]), "data_offsets [0,1,1]"],
    ["offsets reversed", fileOf({ a: u8([1], 2, 1) }, [0, 0]), "data_offsets [2,1]; they must be [begin, end]"],
    ["negative offset", fileOf({ a: u8([1], -1, 0) }), "data_offsets [-1,0]"],
    ["size differs", fileOf({ a: u8([3], 0, 2) }, [0, 0]), "takes 3 bytes, but data_offsets [0,2] hold 2"],
    ["size overflows", fileOf({ a: u8([2 ** 40, 2 ** 40], 0, 0) }), "takes no countable number of bytes"],
    ["half a byte", fileOf({ a: { ...u8([3], 0, 1), dtype: "F4" } }, [0]), "takes no countable number of bytes"],
    ["beyond the file", fileOf({ a: u8([3], 0, 3) }, [0, 0]), "ends at byte 3 of the data, but the file holds only 2"],
    [
      "overlap",
      fileOf({ a: u8([2], 0, 2), b: u8([2], 1, 3) }, [0, 0, 0]),
      'tensor "b" at bytes [1,3] overlaps tensor "a"',
    ],
    [
      "gap",
      fileOf({ a: u8([1], 0, 1), b: u8([1], 2, 3) }, [0, 0, 0]),
      'leaves a gap after tensor "a", which ends at byte 1',
    ],
    ["gap at the start", fileOf({ a: u8([1], 1, 2) }, [0, 0]), "leaves a gap after the header"],
    ["bytes left over", fileOf({ a: u8([1], 0, 1) }, [0, 0]), "the tensors cover 1 bytes, but 2 follow the header"],
    [
      "same name twice",
      fileOf('{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"\\u0061":1}', [0]),
      'names "a" twice',
    ],
    [
      "same field twice",
      fileOf('{"a":{"dtype":"I8","dtype":"U8","shape":[1],"data_offsets":[0,1]}}', [0]),
      '"dtype" twice',
    ],
    ["metadata a list", fileOf({ __metadata__: [] }), "__metadata__ is [] and must be an object of strings"],
    ["metadata with a number", fileOf({ __metadata__: { n: 1 } }), '__metadata__ holds 1 for "n"; values are strings'],
  ])("%s", async (_, bytes, message) => {
    const text = await failure(() => open(bytes));
    expect(text).toContain(message);
    expect(text.startsWith("a.safetensors: ")).toBe(true);
  });

  it("never fails with anything but a SafetensorsError, whatever JSON the header holds", async () => {
    const size = fc.oneof(fc.nat({ max: 8 }), fc.jsonValue());
    const offsets = fc.oneof(fc.tuple(size, size), fc.jsonValue());
    const entry = fc.record(
      {
        dtype: fc.oneof(fc.constantFrom(...Object.keys(safetensorsBits)), fc.jsonValue()),
        shape: fc.oneof(fc.array(size, { maxLength: 3 }), fc.jsonValue()),
        data_offsets: offsets,
      },
      { requiredKeys: [] },
    );
    const key = fc.oneof(fc.string(), fc.constantFrom("__metadata__", "__proto__", "a"));
    const header = fc.oneof(fc.dictionary(key, fc.oneof(entry, fc.jsonValue())), fc.jsonValue());
    await fc.assert(
      fc.asyncProperty(header, fc.uint8Array({ maxLength: 16 }), (json, data) =>
        readOrRefuse(fileOf(JSON.stringify(json), data)),
      ),
      { numRuns: 500 },
    );
  });
});
