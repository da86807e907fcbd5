import fc from "fast-check";
import { expect, test } from "vitest";
import { PagePool } from "../cache/pagePool.ts";
import { Scheduler } from "./scheduler.ts";
import type { Chunk, Sequence } from "./sequence.ts";

interface Made extends Sequence {
  readonly name: string;
  /** Number of new tokens until it ends. */
  readonly length: number;
  isPaused: boolean;
}

let arrivals = 0;

function make(name: string, prompt: number, { length = 4, adapter = null as string | null, first = 0 } = {}): Made {
  const tokens = Array.from({ length: prompt }, (_, i) => first + i);
  return {
    ...{ name, length, tenant: "t", adapter, version: adapter, arrival: arrivals++, tokens, promptLength: prompt },
    ...{
      isPaused: false,
      wantsPromptLogits: false,
      computed: 0,
      table: [],
      cachedTokens: 0,
      preemptions: 0,
      charged: 0,
    },
  };
}

interface Sizes {
  pages?: number;
  pageSize?: number;
  rows?: number;
  sequences?: number;
  enablePrefixCaching?: boolean;
}

function setup({ pages = 64, pageSize = 4, rows = 16, sequences = 8, enablePrefixCaching = false }: Sizes = {}) {
  const pool = new PagePool({ pages, pageSize, enablePrefixCaching });
  const scheduler = new Scheduler<Made>({ maxNumSeqs: sequences, maxNumBatchedTokens: rows }, pool);
  return { pool, scheduler };
}

/** Admits requests and plans a pass. */
function plan(scheduler: Scheduler<Made>): Chunk<Made>[] {
  for (const next of scheduler.take()) scheduler.ready(next);
  return scheduler.plan();
}

/** Runs a pass: sequences whose tokens have all run get a new one, or end. */
function run(scheduler: Scheduler<Made>): Chunk<Made>[] {
  const chunks = plan(scheduler);
  scheduler.commit(chunks);
  for (const { sequence, end } of chunks) {
    if (end < sequence.tokens.length) continue;
    if (sequence.tokens.length - sequence.promptLength === sequence.length) scheduler.remove(sequence);
    else sequence.tokens.push(1000 + sequence.tokens.length);
  }
  return chunks;
}

const goesOn = ({ running, waiting, paused }: Scheduler<Made>) => running.length + waiting + paused > 0;
const shown = (chunks: readonly Chunk<Made>[]) => chunks.map(({ sequence, start, end }) => [sequence.name, start, end]);

test("a prompt longer than a pass is cut, and others decode beside it", () => {
  const { scheduler } = setup({ rows: 8 });
  scheduler.push(make("a", 3));
  expect(shown(run(scheduler))).toEqual([["a", 0, 3]]);
  scheduler.push(make("b", 20));
  expect(shown(run(scheduler))).toEqual([
    ["a", 3, 4],
    ["b", 0, 7],
  ]);
  expect(shown(run(scheduler))).toEqual([
    ["a", 4, 5],
    ["b", 7, 14],
  ]);
});

test("short prompts pass by a long one, which still gets half of the rows", () => {
  const { scheduler } = setup({ rows: 8 });
  for (const sequence of [make("long", 30), make("short", 3), make("middle", 6)]) scheduler.push(sequence);
  expect(shown(run(scheduler))).toEqual([
    ["short", 0, 3],
    ["middle", 0, 1],
    ["long", 0, 4],
  ]);
});

test("rows that short prompts leave go to the long one", () => {
  const { scheduler } = setup({ rows: 16 });
  for (const sequence of [make("long", 30), make("short", 3)]) scheduler.push(sequence);
  expect(shown(run(scheduler))).toEqual([
    ["short", 0, 3],
    ["long", 0, 13],
  ]);
});

test("no more sequences run than have a place", () => {
  const { scheduler } = setup({ sequences: 2 });
  for (const name of ["a", "b", "c"]) scheduler.push(make(name, 2, { length: 2 }));
  expect(shown(run(scheduler)).map(([name]) => name)).toEqual(["b", "a"]);
  expect(scheduler.waiting).toBe(1);
  run(scheduler);
  run(scheduler);
  expect(shown(run(scheduler))).toEqual([["c", 0, 2]]);
});

test("the sequence that came last gives its pages back, and is computed again when there is room", () => {
  const { scheduler, pool } = setup({ pages: 4, pageSize: 2, rows: 8 });
  const [a, b] = [make("a", 3, { length: 4 }), make("b", 3, { length: 4 })];
  scheduler.push(a);
  scheduler.push(b);
  run(scheduler);
  run(scheduler);
  expect(pool.available).toBe(0);
  expect(shown(run(scheduler))).toEqual([["a", 4, 5]]);
  expect(scheduler.preemptions).toBe(1);
  expect([b.table, b.computed, scheduler.waiting]).toEqual([[], 0, 1]);
  while (scheduler.running.includes(a)) run(scheduler);
  expect(shown(run(scheduler))).toEqual([["b", 0, 5]]);
  while (goesOn(scheduler)) run(scheduler);
  expect([a, b].map(({ tokens }) => tokens.length)).toEqual([7, 7]);
  expect(pool.available).toBe(4);
});

test("a sequence with a slow reader leaves its place, keeps its pages, and continues from them", () => {
  const { scheduler, pool } = setup({ sequences: 1 });
  const [a, b] = [make("a", 3, { length: 6 }), make("b", 3, { length: 2 })];
  for (const sequence of [a, b]) scheduler.push(sequence);
  expect(shown(run(scheduler))).toEqual([["a", 0, 3]]);
  a.isPaused = true;
  expect(shown(run(scheduler))).toEqual([["b", 0, 3]]);
  expect([scheduler.paused, scheduler.waiting, a.table.length]).toEqual([1, 0, 1]);
  while (scheduler.running.length > 0) run(scheduler);
  expect(run(scheduler)).toEqual([]);
  a.isPaused = false;
  expect(shown(run(scheduler))).toEqual([["a", 3, 4]]);
  expect([a.preemptions, scheduler.paused]).toEqual([0, 0]);
  scheduler.remove(a);
  expect(pool.available).toBe(64);
});

test("pages of a sequence with a slow reader go to other sequences before any of them is preempted", () => {
  const { scheduler, pool } = setup({ pages: 5, pageSize: 2, rows: 8 });
  const [a, b, c] = [make("a", 3, { length: 3 }), make("b", 3, { length: 3 }), make("c", 3, { length: 1 })];
  for (const sequence of [a, b]) scheduler.push(sequence);
  run(scheduler);
  a.isPaused = true;
  // The page that b needs next is free; c needs the pages of a.
  scheduler.push(c);
  const next = shown(run(scheduler));
  expect(next).toContainEqual(["c", 0, 3]);
  expect(next).toContainEqual(["b", 3, 4]);
  expect([a.table, a.computed, a.preemptions, b.preemptions]).toEqual([[], 0, 1, 0]);
  a.isPaused = false;
  while (goesOn(scheduler)) run(scheduler);
  expect([a, b, c].map(({ tokens }) => tokens.length)).toEqual([6, 6, 4]);
  expect(pool.available).toBe(5);
});

test("a paused sequence that is aborted frees its pages", () => {
  const { scheduler, pool } = setup();
  const a = make("a", 9);
  scheduler.push(a);
  run(scheduler);
  a.isPaused = true;
  run(scheduler);
  expect(pool.available).toBe(61);
  scheduler.remove(a);
  expect([pool.available, scheduler.paused]).toEqual([64, 0]);
});

test("prefixes are reused, by sequences that began together too", () => {
  const { scheduler } = setup({ rows: 8, enablePrefixCaching: true });
  const sequences = ["a", "b", "c"].map((name) => make(name, 10));
  for (const sequence of sequences) scheduler.push(sequence);
  expect(shown(run(scheduler))).toEqual([
    ["b", 0, 4],
    ["a", 0, 4],
  ]);
  // The last sequence continues from the pages that the first has written.
  expect(shown(run(scheduler))).toEqual([
    ["b", 4, 8],
    ["a", 4, 8],
  ]);
  expect(shown(run(scheduler))).toEqual([
    ["b", 8, 10],
    ["c", 8, 10],
    ["a", 8, 10],
  ]);
  expect(sequences.map(({ cachedTokens }) => cachedTokens)).toEqual([0, 0, 8]);
});

test("a request to the base model passes by those that wait for an adapter", () => {
  const { scheduler } = setup({ sequences: 2 });
  const loads = ["x", "y", "z"].map((adapter) => make(adapter, 2, { adapter }));
  for (const sequence of [...loads, make("base", 2)]) scheduler.push(sequence);
  expect(scheduler.take().map(({ name }) => name)).toEqual(["x", "y", "base"]);
  expect(scheduler.take()).toEqual([]);
  expect(scheduler.plan()).toEqual([]);
});

test("few requests are taken before there is a place for them: those that come later have their turn", () => {
  const { scheduler } = setup({ sequences: 8, rows: 8192, pages: 4096 });
  // Each is as long as a tenant's turn.
  for (let i = 0; i < 40; i++) scheduler.push(make(`a${i}`, 256, { adapter: `a${i}`, length: i === 0 ? 1 : 4 }));
  while (scheduler.running.length === 0 || scheduler.running[0].name === "a0") run(scheduler);
  const taken = scheduler.take();
  expect(taken.length).toBeGreaterThan(1);
  expect(taken.length).toBeLessThan(8);
  for (const one of taken) scheduler.ready(one);
  expect(scheduler.take()).toEqual([]);
  scheduler.push({ ...make("late", 2, { adapter: "late" }), tenant: "u" });
  const order = new Set<string>();
  while (goesOn(scheduler)) for (const { sequence } of run(scheduler)) order.add(sequence.name);
  // Running requests come first, then at most the requests already taken.
  expect([...order].indexOf("late")).toBeLessThan(8 + taken.length);
});

test("every request ends, within its rows and pages, whatever comes when", () => {
  const request = fc.record({
    prompt: fc.integer({ min: 1, max: 20 }),
    length: fc.integer({ min: 1, max: 10 }),
    adapter: fc.constantFrom(null, "a", "b"),
    pass: fc.nat(20),
    leaves: fc.option(fc.nat(15)),
    behind: fc.option(fc.record({ from: fc.nat(20), passes: fc.nat(20) })),
  });
  const sizes = fc.record({
    ...{ pages: fc.integer({ min: 15, max: 40 }), pageSize: fc.constantFrom(2, 4) },
    ...{ rows: fc.integer({ min: 4, max: 12 }), sequences: fc.integer({ min: 1, max: 4 }) },
    enablePrefixCaching: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(request, { minLength: 1, maxLength: 12 }), sizes, (requests, given) => {
      const { scheduler, pool } = setup(given);
      const made = requests.map(({ prompt, length, adapter, pass, leaves, behind }) => {
        return { sequence: make("s", prompt, { length, adapter }), pass, leaves, behind };
      });
      for (let pass = 0; pass <= 20 || goesOn(scheduler); pass++) {
        for (const { sequence, pass: at, behind } of made) {
          if (at === pass) scheduler.push(sequence);
          sequence.isPaused = behind !== null && behind.from <= pass && pass < behind.from + behind.passes;
        }
        const before = new Map(made.map(({ sequence }) => [sequence, sequence.computed]));
        const chunks = run(scheduler);
        const rows = chunks.reduce((sum, { start, end }) => sum + end - start, 0);
        expect(rows).toBeLessThanOrEqual(given.rows);
        expect(new Set(chunks.map(({ sequence }) => sequence)).size).toBe(chunks.length);
        for (const { sequence, start, end } of chunks) {
          expect(end).toBeGreaterThan(start);
          if (sequence.preemptions === 0) expect(start).toBeGreaterThanOrEqual(before.get(sequence)!);
          if (sequence.isPaused) expect(before.get(sequence)).toBe(0);
        }
        expect(scheduler.running.length).toBeLessThanOrEqual(given.sequences);
        if (scheduler.running.length > 0) expect(chunks.length).toBeGreaterThan(0);
        for (const one of made) if (one.leaves === pass && one.pass <= pass) scheduler.remove(one.sequence);
        expect(pass).toBeLessThan(2000);
        expect(new Set(scheduler.running).size).toBe(scheduler.running.length);
      }
      for (const { sequence, leaves } of made) {
        if (leaves === null) expect(sequence.tokens.length).toBe(sequence.promptLength + sequence.length);
      }
      expect(pool.available).toBe(given.pages);
    }),
  );
});
