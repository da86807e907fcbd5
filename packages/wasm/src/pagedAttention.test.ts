import { attention, type Backend, Generator, reference, type Tensor, tensor } from "@lowrank/core";
import { type PagedAttentionParams, pagedAttention, pagedWrite } from "@lowrank/core/internal";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { wasm } from "./index.ts";
import { close, numbers } from "./testing/sameOnBackends.ts";

/** The reference, and both batch-invariant builds, since other builds lack these kernels. */
const backends = {
  reference: reference(),
  relaxed: await wasm({ build: "relaxed", batchInvariant: true }),
  simd: await wasm({ build: "simd", batchInvariant: true }),
};

interface Sizes {
  readonly heads: number;
  readonly kvHeads: number;
  readonly size: number;
  readonly pageSize: number;
}

/** A row. Its query is drawn by its sequence and position, and is the same in every call. */
type Place = readonly [sequence: number, position: number];

/** A call of `pagedAttention` on one backend, on pages assigned by `seed`. */
interface Call extends Sizes {
  readonly lengths: readonly number[];
  readonly places: readonly Place[];
  readonly seed: number;
  readonly params: PagedAttentionParams;
}

/** The keys or values of a sequence, [length, kvHeads, size]. */
function sequenceNumbers({ kvHeads, size }: Sizes, length: number, seed: number): Float32Array {
  return numbers([length, kvHeads, size], seed);
}

function query({ heads, size }: Sizes, [sequence, position]: Place): Float32Array {
  return numbers([heads, size], 1000 * (sequence + 1) + position, 2);
}

/** Returns out [N, heads, size]; unused slots of the pages hold NaN. */
function paged(call: Call, backend: Backend): Float32Array {
  const { heads, kvHeads, size, pageSize, lengths, places, seed, params } = call;
  const counts = lengths.map((length) => Math.ceil(length / pageSize));
  const pages = counts.reduce((a, b) => a + b, 3);
  const widest = Math.max(...counts);
  const free = [...new Generator(seed).permutation(pages)];
  const tables = new Int32Array(lengths.length * widest).fill(-1);
  const slots: number[] = [];
  for (const [s, count] of counts.entries()) tables.set(free.splice(0, count), s * widest);
  const make = (data: Float32Array | Int32Array, shape: number[]) => tensor(data, { shape, backend });
  for (const [s, length] of lengths.entries()) {
    for (let j = 0; j < length; j++) {
      slots.push(tables[s * widest + Math.floor(j / pageSize)] * pageSize + (j % pageSize));
    }
  }
  const pool = (kind: number) => {
    const t = make(new Float32Array(pages * pageSize * kvHeads * size).fill(Number.NaN), [
      ...[pages, pageSize, kvHeads, size],
    ]);
    const rows = lengths.flatMap((length, s) => [...sequenceNumbers(call, length, 10 * s + kind)]);
    pagedWrite(
      t,
      make(Float32Array.from(rows), [slots.length, kvHeads, size]),
      make(Int32Array.from(slots), [slots.length]),
    );
    return t;
  };
  const q = make(Float32Array.from(places.flatMap((place) => [...query(call, place)])), [places.length, heads, size]);
  const rows = make(Int32Array.from(places.flat()), [places.length, 2]);
  const out = pagedAttention(q, pool(1), pool(2), make(tables, [lengths.length, widest]), rows, params);
  return out.dataSync() as Float32Array;
}

/** The rows of one sequence by `attention`, [positions, heads, size]. */
function plain(call: Call, s: number, positions: readonly number[]): Float32Array {
  const { heads, kvHeads, size, lengths, params } = call;
  const backend = backends.reference;
  const make = (kind: number): Tensor =>
    tensor(sequenceNumbers(call, lengths[s], 10 * s + kind), { shape: [1, lengths[s], kvHeads, size], backend });
  const [k, v] = [make(1), make(2)];
  const out = positions.map((position) => {
    const q = tensor(query(call, [s, position]), { shape: [1, 1, heads, size], backend });
    return attention(q, k, v, { ...params, causal: true, keyLength: position + 1 }).dataSync();
  });
  return Float32Array.from(out.flatMap((row) => [...row]));
}

const chunk = (s: number, from: number, count: number): Place[] =>
  Array.from({ length: count }, (_, i) => [s, from + i]);

const cases: (Sizes & { params: PagedAttentionParams })[] = [
  { heads: 9, kvHeads: 3, size: 64, pageSize: 16, params: {} },
  { heads: 2, kvHeads: 2, size: 8, pageSize: 16, params: { scale: 0.3 } },
  { heads: 4, kvHeads: 2, size: 20, pageSize: 3, params: { window: 7 } },
  { heads: 4, kvHeads: 1, size: 16, pageSize: 16, params: { window: 150 } },
  { heads: 5, kvHeads: 1, size: 7, pageSize: 1, params: { softcap: 2 } },
  { heads: 100, kvHeads: 2, size: 5, pageSize: 8, params: { window: 1 } },
  { heads: 1, kvHeads: 1, size: 1, pageSize: 5, params: {} },
];

const bitsOf = (x: Float32Array): Uint32Array => new Uint32Array(x.buffer, x.byteOffset, x.length);

// A grain this small cuts every call into parts.
const threaded = await wasm({ build: "relaxed", threads: 2, grain: 1, batchInvariant: true });

describe("pagedAttention", () => {
  afterAll(() => threaded.dispose());

  it.each(cases)("$heads/$kvHeads heads of $size, pages of $pageSize, $params: as attention", (sizes) => {
    const lengths = [300, 5, 140];
    const places = [...chunk(0, 120, 40), ...chunk(1, 4, 1), [0, 299] as const, ...chunk(2, 0, 21), [2, 139] as const];
    const call = { ...sizes, lengths, places, seed: 5 };
    const width = sizes.heads * sizes.size;
    const outs = (["relaxed", "simd"] as const).map((build) => paged(call, backends[build]));
    for (const s of lengths.keys()) {
      const rows = [...places.entries()].filter(([, place]) => place[0] === s);
      const expected = plain(
        call,
        s,
        rows.map(([, [, position]]) => position),
      );
      for (const out of outs) {
        const actual = rows.flatMap(([n]) => [...out.subarray(n * width, (n + 1) * width)]);
        close(actual, expected, 1e-5);
      }
    }
  });

  it("has no bits of a row's neighbours, of its pages, of its chunk and of threads in it", () => {
    const schedules = fc.record({
      lengths: fc.array(fc.integer({ min: 1, max: 280 }), { minLength: 1, maxLength: 3 }),
      picked: fc.array(fc.tuple(fc.nat(2), fc.nat(279), fc.integer({ min: 1, max: 20 })), {
        minLength: 1,
        maxLength: 5,
      }),
      seed: fc.nat(1000),
      sizes: fc.constantFrom(...cases.slice(0, 5)),
    });
    const property = fc.property(schedules, ({ lengths, picked, seed, sizes }) => {
      const places = picked.flatMap(([s, from, count]): Place[] => {
        const sequence = s % lengths.length;
        return chunk(sequence, from % lengths[sequence], count).filter(([, position]) => position < lengths[sequence]);
      });
      const width = sizes.heads * sizes.size;
      for (const build of ["relaxed", "simd"] as const) {
        const out = paged({ ...sizes, lengths, places, seed }, backends[build]);
        for (const [n, place] of places.entries()) {
          const alone = paged({ ...sizes, lengths, places: [place], seed: seed + 1 }, backends[build]);
          expect(bitsOf(out.slice(n * width, (n + 1) * width))).toEqual(bitsOf(alone));
        }
        if (build !== threaded.build) continue;
        expect(bitsOf(paged({ ...sizes, lengths, places, seed }, threaded))).toEqual(bitsOf(out));
      }
    });
    fc.assert(property, { numRuns: 12, seed: 3 });
  });

  it("takes scores beyond the range of exp, and lets NaN through to its own row alone", () => {
    const queries = numbers([3, 2, 4], 2, 100);
    queries[9] = Number.NaN;
    const run = (backend: Backend): ArrayLike<number> => {
      const make = (data: Float32Array | Int32Array, shape: number[]) => tensor(data, { shape, backend });
      const pool = make(numbers([2, 4, 1, 4], 1, 100), [2, 4, 1, 4]);
      const [tables, rows] = [make(Int32Array.of(1, 0), [1, 2]), make(Int32Array.of(0, 5, 0, 6, 0, 7), [3, 2])];
      return pagedAttention(make(queries, [3, 2, 4]), pool, pool, tables, rows, {}).dataSync();
    };
    for (const build of ["relaxed", "simd"] as const) {
      const out = run(backends[build]);
      expect(Array.from(out, Number.isNaN)).toEqual(Array.from(out, (_, i) => i >= 8 && i < 12));
      close(out, run(backends.reference), 1e-5);
    }
  });

  it("says what is out of range as the reference does", () => {
    const { relaxed: backend } = backends;
    const make = (data: number[], shape: number[]) => tensor(Int32Array.from(data), { shape, backend });
    const pool = tensor(numbers([3, 4, 1, 4], 1), { shape: [3, 4, 1, 4], backend });
    const q = tensor(numbers([2, 2, 4], 1), { shape: [2, 2, 4], backend });
    const run = (tables: number[], rows: number[], window = 0) =>
      pagedAttention(q, pool, pool, make(tables, [2, 2]), make(rows, [2, 2]), { window });
    const tables = [0, 1, 2, -1];
    expect(() => run(tables, [0, 7, 2, 0])).toThrow("row 1 names sequence 2, but there are only 2 page tables");
    expect(() => run(tables, [0, 8, 1, 0])).toThrow("row 0 is at position 8, and a table of 2 pages of 4 reaches 0..7");
    expect(() => run(tables, [0, -1, 1, 0])).toThrow("row 0 is at position -1");
    expect(() => run(tables, [1, 3, 1, 4])).toThrow(
      "row 1 reads page -1, entry 1 of its table, and the pool has pages",
    );
    expect(() => run([3, 0, 0, 0], [0, 7, 1, 0], 5)).toThrow("row 0 reads page 3, entry 0");
    expect(() => run([3, 0, 0, 0], [0, 7, 1, 0], 4)).not.toThrow();
    const slots = make([0, 12], [2]);
    const rows = tensor(numbers([2, 1, 4], 1), { shape: [2, 1, 4], backend });
    expect(() => pagedWrite(pool, rows, slots)).toThrow("pagedWrite: row 1 goes to slot 12, and 3 pages of 4 have");
  });
});
