import { expect, test } from "vitest";
import { bytesSource, openSafetensors, writeSafetensors } from "../index.ts";

const floats = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer);
const tensors = (count: number) =>
  Array.from({ length: count }, (_, i) => ({
    ...{ name: `t${i}`, dtype: "f32" as const, shape: [i + 1], bytes: floats(...Array(i + 1).fill(i)) },
  }));

/** Opens a file of `count` tensors, which is read into arrays. */
async function open(count: number) {
  const bytes = writeSafetensors(tensors(count));
  const source = {
    ...{ size: bytes.length, read: async (from: number, length: number) => bytes.slice(from, from + length) },
    readInto: async (from: number, room: Uint8Array) => room.set(bytes.subarray(from, from + room.length)),
  };
  return openSafetensors(source);
}

test("a message lists all names of up to six tensors, and five of more", async () => {
  const listOf = async (count: number) => {
    const file = await openSafetensors(writeSafetensors(tensors(count)));
    return file.read("none").then(
      () => "",
      (error: Error) => error.message.split("the file holds ")[1],
    );
  };
  expect(await listOf(0)).toBe("none");
  expect(await listOf(1)).toBe("t0");
  expect(await listOf(6)).toBe("t0, t1, t2, t3, t4, t5");
  expect(await listOf(7)).toBe("t0, t1, t2, t3, t4 and 2 more");
});

test("tensors have the lengths of their data, wherever it begins", async () => {
  const file = await open(4);
  expect(file.names()).toEqual(["t0", "t1", "t2", "t3"]);
  expect(file.names().map((name) => file.info(name).byteLength)).toEqual([4, 8, 12, 16]);
  for (const [i, name] of file.names().entries()) {
    expect(await file.read(name)).toEqual({ dtype: "f32", shape: [i + 1], bytes: floats(...Array(i + 1).fill(i)) });
  }
});

test("parts fill the room, and the last has what is left", async () => {
  const file = await open(8);
  const lengths = async (name: string, room: Uint8Array) => {
    const found: number[][] = [];
    for await (const part of file.readParts(name, room).parts) found.push([...part]);
    expect(found.flat()).toEqual([...(await file.read(name)).bytes]);
    return found.map(({ length }) => length);
  };
  expect(await lengths("t3", new Uint8Array(8))).toEqual([8, 8]);
  expect(await lengths("t4", new Uint8Array(8))).toEqual([8, 8, 4]);
  expect(await lengths("t7", new Uint8Array(32))).toEqual([32]);
  expect(await lengths("t0", new Uint8Array(16))).toEqual([4]);
});

test("rooms are of some bytes, a multiple of 8", async () => {
  const file = await open(3);
  for (const size of [0, 1, 4, 12]) {
    const { parts } = file.readParts("t2", new Uint8Array(size));
    await expect(parts[Symbol.asyncIterator]().next()).rejects.toThrow(
      `readParts: the buffer has ${size} bytes; give a multiple of 8`,
    );
  }
});

test("sources that fill no arrays give the whole", async () => {
  const bytes = writeSafetensors(tensors(3));
  const { readInto: _, ...plain } = bytesSource(bytes);
  const file = await openSafetensors({
    size: plain.size,
    read: (from, length) => bytesSource(bytes).read(from, length),
  });
  const found: Uint8Array[] = [];
  for await (const part of file.readParts("t2", new Uint8Array(0)).parts) found.push(part);
  expect(found).toEqual([floats(2, 2, 2)]);
});

test("the shortest file has a header and no tensors", async () => {
  const empty = writeSafetensors([]);
  expect((await openSafetensors(empty)).names()).toEqual([]);
  await expect(openSafetensors(empty.subarray(0, 7))).rejects.toThrow("7 bytes are too few for a safetensors file");
  await expect(openSafetensors(new Uint8Array(8))).rejects.toThrow("the header is not valid JSON");
  const long = Uint8Array.from(empty);
  long[0]++;
  await expect(openSafetensors(long)).rejects.toThrow(/the header would take \d+ bytes, and at most \d+ are possible/);
});

/** Returns a file with U8 tensors at these byte ranges, and `length` bytes of data. */
function withPlaces(places: Record<string, readonly [number, number]>, length: number) {
  const entries = Object.entries(places).map(([name, [begin, end]]) => [
    name,
    { dtype: "U8", shape: [end - begin], data_offsets: [begin, end] },
  ]);
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(entries)));
  const file = new Uint8Array(8 + json.length + length);
  new DataView(file.buffer).setBigUint64(0, BigInt(json.length), true);
  file.set(json, 8);
  for (let i = 0; i < length; i++) file[8 + json.length + i] = i;
  return openSafetensors(file);
}

test("tensors are in the order of their data, empty ones first", async () => {
  const places = { c: [5, 9], none: [5, 5], b: [2, 5], a: [0, 2], last: [9, 9], first: [0, 0] } as const;
  const file = await withPlaces(places, 9);
  expect(file.names()).toEqual(["first", "a", "b", "none", "c", "last"]);
  for (const [name, [begin, end]] of Object.entries(places)) {
    expect([...(await file.read(name)).bytes]).toEqual(Array.from({ length: end - begin }, (_, i) => begin + i));
  }
});

test("gaps, overlaps and data left over are told apart", async () => {
  const opened = (places: Record<string, readonly [number, number]>, length: number) => withPlaces(places, length);
  await expect(opened({ a: [0, 2], b: [3, 4] }, 4)).rejects.toThrow(
    'tensor "b" at bytes [3,4] leaves a gap after tensor "a", which ends at byte 2',
  );
  await expect(opened({ a: [1, 2] }, 2)).rejects.toThrow('"a" at bytes [1,2] leaves a gap after the header');
  await expect(opened({ a: [0, 3], b: [2, 4] }, 4)).rejects.toThrow(
    'tensor "b" at bytes [2,4] overlaps tensor "a", which ends at byte 3',
  );
  await expect(opened({ a: [0, 3] }, 4)).rejects.toThrow("the tensors cover 3 bytes, but 4 follow the header");
  await expect(opened({ a: [0, 4] }, 3)).rejects.toThrow('"a" ends at byte 4 of the data, but the file holds only 3');
  await expect(opened({ a: [2, 1] }, 3)).rejects.toThrow("sizes are integers of at least 0");
});
