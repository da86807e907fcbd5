import type { ByteSource } from "@lowrank/core";
import { describe, expect, test } from "vitest";
import type { Dataset } from "../data/dataset.ts";
import { concatenateDatasets, packDataset, takeExamples } from "./datasetViews.ts";
import { encodeIndex, indexRecords, openIndexFile, type RecordIndex, readIndexed } from "./indexRecords.ts";
import { jsonLines } from "./jsonRecords.ts";

const encoder = new TextEncoder();
const sourceOf = (bytes: Uint8Array): ByteSource => ({
  size: bytes.length,
  read: async (at: number, length: number) => {
    expect(at + length).toBeLessThanOrEqual(bytes.length);
    return bytes.slice(at, at + length);
  },
});

const key = { path: "/d/x.jsonl", size: 7, mtimeMs: 12.5, settings: "{}" };
const index: RecordIndex = {
  offsets: Float64Array.of(0, 5, 2 ** 40),
  lengths: Uint32Array.of(4, 6, 2 ** 31),
  sizes: Uint32Array.of(9, 8, 7),
  checksum: 77,
  skipped: 2,
  told: ["a", "b"],
};
async function encoded(one: RecordIndex): Promise<Uint8Array> {
  const parts = await Array.fromAsync(encodeIndex(key, one));
  return new Uint8Array(await new Blob(parts as BlobPart[]).arrayBuffer());
}

describe("an index file", () => {
  test.each([
    ["with sizes", index, [9, 8, 7]],
    ["without sizes, which are the lengths then", { ...index, sizes: null }, [4, 6, 2 ** 31]],
  ])("%s has all that was written", async (_, one, sizes) => {
    const opened = await openIndexFile(sourceOf(await encoded(one)));
    expect(opened).toMatchObject({ key, count: 3, checksum: 77, skipped: 2, told: ["a", "b"] });
    expect([...(opened?.sizes ?? [])]).toEqual(sizes);
    const places = await Promise.all([0, 1, 2].map((i) => opened?.place(i)));
    expect(places).toEqual([0, 1, 2].map((i) => ({ offset: index.offsets[i], length: index.lengths[i] })));
  });

  test("that is not whole, or of another version, is none", async () => {
    const bytes = await encoded(index);
    expect(await openIndexFile(sourceOf(bytes.subarray(0, -1)))).toBeNull();
    expect(await openIndexFile(sourceOf(Uint8Array.of(...bytes, 0)))).toBeNull();
    expect(await openIndexFile(sourceOf(encoder.encode("no JSON\n")))).toBeNull();
    expect(await openIndexFile(sourceOf(new Uint8Array()))).toBeNull();
    for (const version of [0, 2]) {
      const text = new TextDecoder("latin1").decode(bytes).replace('"version":1', `"version":${version}`);
      const other = Uint8Array.from(text, (c) => c.charCodeAt(0));
      other.set(bytes.subarray(bytes.indexOf(10)), bytes.indexOf(10));
      expect(await openIndexFile(sourceOf(other))).toBeNull();
    }
  });
});

test("an index file's first line has 65,536 bytes at most", async () => {
  const withLine = async (length: number) => {
    const parts = (told: string[]) => encodeIndex(key, { ...index, told });
    const [{ length: least }] = await Array.fromAsync(parts([""]));
    const bytes = await Array.fromAsync(parts(["x".repeat(length - least)]));
    expect(bytes[0]).toHaveLength(length);
    return openIndexFile(sourceOf(new Uint8Array(await new Blob(bytes as BlobPart[]).arrayBuffer())));
  };
  expect(await withLine(65_536)).toMatchObject({ count: 3 });
  expect(await withLine(65_537)).toBeNull();
});

describe("the index of records", () => {
  const form = {
    name: "numbers",
    parse: ({ value, where }: { value: unknown; where: string }) => {
      if (typeof value !== "number") throw new Error(`${where}: no number`);
      return value;
    },
  };
  type Options = Parameters<typeof indexRecords<number>>[2];
  async function indexed(text: string, options: Partial<Options> = {}) {
    async function* pieces() {
      for (const byte of encoder.encode(text)) yield Uint8Array.of(byte);
    }
    return indexRecords<number>((all) => jsonLines(all, "d"), pieces(), { form, ...options });
  }

  test("of thousands is of every one", async () => {
    for (const count of [1023, 1024, 1025, 2049]) {
      const lines = Array.from({ length: count }, (_, i) => `${i}\n`);
      const found = await indexed(lines.join(""));
      let next = 0;
      const offsets = lines.map(({ length }) => {
        next += length;
        return next - length;
      });
      expect([...found.offsets]).toEqual(offsets);
      expect([...found.lengths]).toEqual(lines.map((line) => line.length - 1));
      expect(found).toMatchObject({ sizes: null, skipped: 0, told: [] });
    }
  });

  test("counts what is skipped, with three messages at most", async () => {
    const text = '1\n"a"\n2\n"b"\n"c"\n"d"\n';
    await expect(indexed(text)).rejects.toThrow("d:2: no number");
    const found = await indexed(text, { onBadRecord: "skip" });
    expect(found.skipped).toBe(4);
    expect(found.told).toEqual(["d:2: no number", "d:4: no number", "d:5: no number"]);
    // The CRC-32 of zlib.
    expect((await indexed("1\n2\n")).checksum >>> 0).toBe(0x69e17861);
  });

  test("a measure tells sizes, and bad records too", async () => {
    const measure = async (value: number) => {
      if (value === 2) throw new Error("too even");
      return 10 * value;
    };
    await expect(indexed("1\n2\n3\n", { measure })).rejects.toThrow("d:2: too even");
    const found = await indexed("1\n2\n3\n", { measure, onBadRecord: "skip" });
    expect(found).toMatchObject({ skipped: 1, told: ["d:2: too even"] });
    expect([...(found.sizes ?? [])]).toEqual([10, 30]);
    expect([...found.offsets]).toEqual([0, 4]);
  });

  test("a record is read again, or has changed", async () => {
    const source = sourceOf(encoder.encode('12\n"a"'));
    const parse = (bytes: Uint8Array) => JSON.parse(new TextDecoder().decode(bytes));
    const read = (offset: number, length: number) =>
      readIndexed<number>(source, "d", { offset, length }, parse, { form });
    expect(await read(0, 2)).toBe(12);
    await expect(read(3, 3)).rejects.toThrow("d, byte 3: the file has changed since it was indexed: d, byte 3: no num");
  });
});

describe("views of data sets", () => {
  const dataset = (...values: number[]): Dataset<number> => ({
    length: values.length,
    lengths: Uint32Array.from(values),
    digest: `of ${values}`,
    read: async (numbers) => Array.from(numbers, (i) => values[i]),
  });

  test("a part has its examples and its digest", async () => {
    const part = takeExamples(dataset(1, 2, 3, 4), 1, 3);
    expect(part).toMatchObject({ length: 2, lengths: Uint32Array.of(2, 3), digest: "of 1,2,3,4 1-3" });
    expect(await part.read([1, 0])).toEqual([3, 2]);
  });

  test("several are one after another", async () => {
    const one = dataset(1);
    expect(concatenateDatasets([one])).toBe(one);
    const all = concatenateDatasets([one, dataset(2, 3), dataset(), dataset(4)]);
    expect(all).toMatchObject({ length: 4, lengths: Uint32Array.of(1, 2, 3, 4), digest: "of 1, of 2,3, of , of 4" });
    expect(await all.read([0, 1, 2, 3])).toEqual([1, 2, 3, 4]);
    expect(concatenateDatasets([])).toMatchObject({ length: 0, lengths: new Uint32Array(), digest: "" });
  });

  test("blocks have the lengths of what is in them", async () => {
    const tokens = [[1, 2, 3], [4], [5, 6]].map((inputIds) => ({ inputIds, labels: inputIds }));
    const list = {
      ...dataset(3, 1, 2),
      read: async (numbers: ArrayLike<number>) => Array.from(numbers, (i) => tokens[i]),
    };
    const blocks = packDataset(list as never, 4);
    expect(blocks).toMatchObject({ length: 2, lengths: Uint32Array.of(4, 2), digest: "of 3,1,2 in blocks of 4" });
    const [first, second] = await blocks.read([0, 1]);
    expect([first.inputIds, second.inputIds].map((ids) => [...ids])).toEqual([
      [1, 2, 3, 4],
      [5, 6],
    ]);
  });
});
