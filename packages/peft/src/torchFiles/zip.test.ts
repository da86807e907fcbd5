import { bytesSource } from "@lowrank/core";
import { expect, test } from "vitest";
import { join } from "../testing/zip.ts";
import { ZipFile } from "./zip.ts";

const text = (value: string) => new TextEncoder().encode(value);
const little = (width: number, ...values: number[]) =>
  join(
    ...values.map((value) =>
      Uint8Array.from({ length: width }, (_, i) => Number((BigInt(value) >> BigInt(8 * i)) & 255n)),
    ),
  );
const u16 = (...values: number[]) => little(2, ...values);
const u32 = (...values: number[]) => little(4, ...values);
const u64 = (...values: number[]) => little(8, ...values);
const wide = 0xffffffff;

interface Entry {
  name: string;
  data: Uint8Array;
  method?: number;
  flags?: number;
  /** Extra fields of the local header, and of the central directory. */
  ownExtra?: Uint8Array;
  extra?: Uint8Array;
  comment?: Uint8Array;
  /** Sizes and offset in the central directory. Default: the real ones. */
  packedSize?: number;
  size?: number;
  offset?: number;
}

/** An archive according to APPNOTE 6.3.10. `wideList` stores the central directory's position in a ZIP64 record. */
function archive(entries: readonly Entry[], { comment = new Uint8Array(0), wideList = false, listSize = 0 } = {}) {
  const none = new Uint8Array(0);
  const own: Uint8Array[] = [];
  const list: Uint8Array[] = [];
  let at = 0;
  for (const entry of entries) {
    const { name, data, method = 0, flags = 0, ownExtra = none, extra = none, comment: note = none } = entry;
    const common = join(u16(20, flags, method, 1, 2), u32(3, entry.packedSize ?? data.length));
    const sizes = join(common, u32(entry.size ?? data.length), u16(text(name).length));
    const header = join(u32(0x04034b50), sizes, u16(ownExtra.length), text(name), ownExtra);
    const places = join(u16(extra.length, note.length, 0, 0), u32(0, entry.offset ?? at));
    list.push(join(u32(0x02014b50), u16(20), sizes, places, text(name), extra, note));
    own.push(header, data);
    at += header.length + data.length;
  }
  const directory = join(...list);
  const record = join(u32(0x06064b50), u64(44), u16(45, 45), u32(0, 0), u64(1, 1, directory.length, at));
  const locator = join(u32(0x07064b50), u32(0), u64(at + directory.length), u32(1));
  const places = wideList ? u32(wide, wide) : u32(directory.length + listSize, at);
  const last = join(u32(0x06054b50), u16(0, 0, 1, 1), places, u16(comment.length), comment);
  return join(...own, directory, ...(wideList ? [record, locator] : []), last);
}

const open = (bytes: Uint8Array) => ZipFile.open(bytesSource(bytes), "z");
const [one, two] = [text("first file"), text("the second")];

async function contents(bytes: Uint8Array): Promise<Record<string, string>> {
  const zip = await open(bytes);
  const found: Record<string, string> = {};
  for (const name of zip.names()) {
    expect(zip.has(name)).toBe(true);
    found[name] = new TextDecoder().decode(await zip.read(name));
  }
  return found;
}

const field = (id: number, bytes: Uint8Array) => join(u16(id, bytes.length), bytes);
const both = { a: "first file", "b/c": "the second" };
const plain: readonly Entry[] = [
  { name: "a", data: one },
  { name: "b/c", data: two },
];

async function deflated(bytes: Uint8Array): Promise<Uint8Array> {
  const stream = new Blob([bytes.slice()]).stream().pipeThrough(new CompressionStream("deflate-raw"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

test("files are found behind names, extra fields and comments of any length", async () => {
  expect(await contents(archive(plain))).toEqual(both);
  expect(await contents(archive([]))).toEqual({});
  expect(await contents(archive([{ name: "", data: one }]))).toEqual({ "": "first file" });
  const noted = plain.map((entry, i) => ({
    ...entry,
    flags: 8 + 2048,
    ownExtra: field(9, new Uint8Array(5 + i)),
    extra: join(field(7, new Uint8Array(3)), Uint8Array.of(1, 2, 3)),
    comment: new Uint8Array(300 + i),
  }));
  expect(await contents(archive(noted))).toEqual(both);
  expect(await contents(archive(plain, { comment: text("a comment") }))).toEqual(both);
  const long = archive(plain, { comment: new Uint8Array(65535) });
  expect(await contents(long)).toEqual(both);
  await expect(open(join(long, new Uint8Array(1)))).rejects.toThrow("z is not a ZIP archive, as torch.save writes");
  await expect(open(new Uint8Array(21))).rejects.toThrow(/^z/);
  const zip = await open(archive(plain));
  expect(zip.has("x")).toBe(false);
  await expect(zip.read("x")).rejects.toThrow(new Error("z holds no x"));
});

test("ZIP64 numbers stand in for the 32-bit ones that are all ones, and only for these", async () => {
  expect(await contents(archive(plain, { wideList: true }))).toEqual(both);
  expect(await contents(archive(plain, { wideList: true, comment: text("x") }))).toEqual(both);
  const offset = 30 + 1 + one.length;
  const cases: Partial<Entry>[] = [
    { size: wide, packedSize: wide, offset: wide, extra: field(1, u64(two.length, two.length, offset)) },
    { offset: wide, extra: field(1, u64(offset)) },
    { size: wide, extra: field(1, u64(two.length)) },
    { packedSize: wide, extra: join(field(5, u64(99)), field(1, u64(two.length))) },
    { extra: field(1, u64(99, 99, 99)) },
    { extra: field(1, new Uint8Array(0)) },
  ];
  for (const change of cases) expect(await contents(archive([plain[0], { ...plain[1], ...change }]))).toEqual(both);
  for (const extra of [new Uint8Array(0), field(5, u64(two.length)), Uint8Array.of(1, 0, 8)]) {
    const zip = await open(archive([plain[0], { ...plain[1], packedSize: wide, extra }]));
    await expect(zip.read("b/c")).rejects.toThrow("z is cut off: it has no 4294967295 bytes at");
  }
  for (const extra of [field(1, new Uint8Array(0)), field(1, new Uint8Array(7))]) {
    const broken = archive([plain[0], { ...plain[1], packedSize: wide, extra }]);
    await expect(open(broken)).rejects.toThrow(
      new Error("z: the central directory of the ZIP archive is damaged; download or save the file again"),
    );
  }
  // The record that the locator points to does not fit into 42 bytes.
  const last = join(u32(0x06054b50), u16(0, 0, 0, 0), u32(0, 0), u16(0));
  const locator = join(u32(0x07064b50), u32(0), u64(0), u32(1));
  await expect(open(join(locator, last))).rejects.toThrow(new Error("z is cut off: it has no 56 bytes at 0"));
  expect(await contents(join(locator.subarray(1), last))).toEqual({});
});

test("files that are encrypted, or compressed otherwise, are refused by name", async () => {
  for (const flags of [1, 9]) {
    const encrypted = archive([{ name: "a", data: one, flags }]);
    await expect(open(encrypted)).rejects.toThrow(new Error("z: a is encrypted, and cannot be read"));
  }
  for (const method of [1, 7, 9]) {
    await expect((await open(archive([{ name: "a", data: one, method }]))).read("a")).rejects.toThrow(
      new Error(`z: a is compressed by method ${method}; 0 (stored) and 8 (deflate) can be read`),
    );
  }
});

test("places outside of the file, and headers elsewhere, are refused", async () => {
  const { length } = archive(plain);
  const at = (offset: number) => open(archive([plain[0], { ...plain[1], offset }])).then((zip) => zip.read("b/c"));
  await expect(at(length - 30)).rejects.toThrow("z: there is no entry b/c at byte");
  await expect(at(length - 29)).rejects.toThrow(new Error(`z is cut off: it has no 30 bytes at ${length - 29}`));
  await expect(at(1)).rejects.toThrow("z: there is no entry b/c at byte");
  for (const listSize of [-1, -46, 1]) {
    await expect(open(archive(plain, { listSize }))).rejects.toThrow(
      /^z: the central directory of the ZIP archive is damaged;/,
    );
  }
  await expect(open(archive(plain, { listSize: 23 }))).rejects.toThrow(/^z is cut off: it has no \d+ bytes at \d+$/);
  // A source may allocate the requested length.
  const asked: number[] = [];
  const file = archive([plain[0], { ...plain[1], packedSize: 1e9 }]);
  const source = bytesSource(file);
  const read: typeof source.read = (offset, n) => {
    asked.push(n);
    return source.read(offset, n);
  };
  await expect(ZipFile.open({ size: source.size, read }, "z").then((zip) => zip.read("b/c"))).rejects.toThrow(
    /^z is cut off: it has no 1000000000 bytes at \d+$/,
  );
  expect(Math.max(...asked)).toBe(file.length);
  const bytes = archive(plain);
  const short = { size: bytes.length, read: async (offset: number, n: number) => bytes.slice(offset, offset + n - 1) };
  await expect(ZipFile.open(short, "z")).rejects.toThrow(
    new Error(`z is cut off: it has no ${bytes.length} bytes at 0`),
  );
});

test("files have the size that the list gives, stored or deflated", async () => {
  const data = Uint8Array.from({ length: 100000 }, (_, i) => (i * i) % 251);
  const packed = await deflated(data);
  const whole = await open(archive([{ name: "a", data: packed, method: 8, size: data.length }]));
  expect(await whole.read("a")).toEqual(data);
  const empty = await open(archive([{ name: "a", data: await deflated(new Uint8Array(0)), method: 8, size: 0 }]));
  expect(await empty.read("a")).toEqual(new Uint8Array(0));
  const sized = (size: number, method: number) =>
    open(archive([{ name: "a", data: method === 8 ? packed : one, method, size }])).then((zip) => zip.read("a"));
  for (const size of [0, 1, 16384, 32768, 65536, 99999]) {
    await expect(sized(size, 8)).rejects.toThrow(new Error(`z: a has ${size + 1} bytes and should have ${size}`));
  }
  await expect(sized(100001, 8)).rejects.toThrow(new Error("z: a has 100000 bytes and should have 100001"));
  await expect(sized(9, 0)).rejects.toThrow(new Error("z: a has 10 bytes and should have 9"));
  // Deflate expands at most by a factor of 1032.
  const most = 1032 * packed.length;
  await expect(sized(most, 8)).rejects.toThrow(`z: a has 100000 bytes and should have ${most}`);
  await expect(sized(most + 1, 8)).rejects.toThrow(
    new Error(`z: a cannot have ${most + 1} bytes, since its compressed data have ${packed.length}; download it again`),
  );
});
