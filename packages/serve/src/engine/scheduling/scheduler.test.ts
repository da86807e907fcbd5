import fc from "fast-check";
import { expect, test } from "vitest";
import { PagePool } from "../../cache/pagePool.ts";
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
      actsFrom: 0,
      plainUntil: 0,
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

/** Pushes a sequence and runs its prompt. */
function started(scheduler: Scheduler<Made>, ...given: Parameters<typeof make>): Made {
  const sequence = make(...given);
  scheduler.push(sequence);
  run(scheduler);
  return sequence;
}

test("as many requests are taken as places are free, and 4 more", () => {
  const { scheduler } = setup({ sequences: 1 });
  for (let i = 0; i < 7; i++) scheduler.push(make(`${i}`, 2));
  const taken = scheduler.take();
  expect([taken.length, scheduler.loading, scheduler.waiting]).toEqual([5, 5, 7]);
  for (const one of taken.slice(0, 2)) scheduler.ready(one);
  expect([scheduler.loading, scheduler.waiting, scheduler.take()]).toEqual([3, 7, []]);
  scheduler.remove(taken[0]);
  expect(scheduler.waiting).toBe(6);
  expect(scheduler.plan().map(({ sequence }) => sequence)).toEqual([taken[1]]);
  expect([scheduler.waiting, scheduler.take()]).toEqual([5, []]);
});

test("a preempted sequence keeps its place from requests that are taken", () => {
  const { scheduler } = setup({ pages: 2 });
  const a = started(scheduler, "a", 2);
  const b = started(scheduler, "b", 3);
  while (b.preemptions === 0) run(scheduler);
  expect([scheduler.running.length, scheduler.waiting, a.preemptions]).toEqual([1, 1, 0]);
  for (let i = 0; i < 20; i++) scheduler.push(make(`${i}`, 2));
  expect(scheduler.take().length).toBe(8 - 2 + 4);
  expect(scheduler.waiting).toBe(21);
});

test("a request that ends before it runs leaves the others in their order", () => {
  const { scheduler } = setup();
  const [a, b, c] = ["a", "b", "c"].map((name) => make(name, 2));
  for (const one of [a, b, c]) scheduler.push(one);
  for (const one of scheduler.take()) scheduler.ready(one);
  scheduler.remove(b);
  scheduler.remove(make("stranger", 2));
  scheduler.plan();
  expect(scheduler.running).toEqual([a, c]);
});

test("the newest sequence gives way to itself if it needs a page and none is left", () => {
  const { scheduler } = setup({ pages: 2 });
  const [a, b] = [make("a", 2), make("b", 4)];
  for (const one of [a, b]) scheduler.push(one);
  run(scheduler);
  expect(shown(run(scheduler))).toEqual([["a", 2, 3]]);
  expect([a.preemptions, b.preemptions, b.table]).toEqual([0, 1, []]);
});

test("a request begins if its pages are free besides those that running sequences need next", () => {
  const { scheduler, pool } = setup({ pages: 2 });
  // Its page has room for one more token.
  started(scheduler, "a", 2, { length: 2 });
  const b = make("b", 4);
  scheduler.push(b);
  plan(scheduler);
  expect([scheduler.running.includes(b), pool.available]).toEqual([true, 0]);
});

test.each([
  { pages: 1, begins: true, kept: 1 },
  { pages: 2, begins: true, kept: 0 },
  { pages: 3, begins: false, kept: 1 },
])("a request of $pages pages takes those of a slow reader only if it then begins", ({ pages, begins, kept }) => {
  const { scheduler } = setup({ pages: 4, rows: 32 });
  const slow = started(scheduler, "slow", 2);
  slow.isPaused = true;
  // It needs another page next. Two are free.
  started(scheduler, "running", 4, { length: 1 });
  const next = make("next", 4 * pages);
  scheduler.push(next);
  for (const one of scheduler.take()) scheduler.ready(one);
  scheduler.plan();
  expect([scheduler.running.includes(next), slow.table.length, next.preemptions]).toEqual([begins, kept, 0]);
  expect([scheduler.preemptions, slow.preemptions]).toEqual(kept === 0 ? [1, 1] : [0, 0]);
});

test("a request takes the pages of several slow readers", () => {
  const { scheduler } = setup({ pages: 2 });
  const slow = ["a", "b"].map((name) => make(name, 2));
  for (const one of slow) scheduler.push(one);
  run(scheduler);
  for (const one of slow) one.isPaused = true;
  scheduler.push(make("c", 8));
  expect(shown(run(scheduler))).toEqual([["c", 0, 8]]);
  expect(slow.map(({ table, preemptions }) => [table, preemptions])).toEqual([
    [[], 1],
    [[], 1],
  ]);
});

test("a slow reader that continues keeps its pages if they are enough", () => {
  const { scheduler } = setup({ pages: 3 });
  const a = started(scheduler, "a", 5);
  a.isPaused = true;
  const b = started(scheduler, "b", 2);
  a.isPaused = false;
  b.isPaused = true;
  run(scheduler);
  expect([scheduler.running, scheduler.paused]).toEqual([[a], 1]);
  b.isPaused = false;
  run(scheduler);
  expect(scheduler.running).toEqual([a, b]);
  expect([a.preemptions, b.preemptions, scheduler.paused]).toEqual([0, 0, 0]);
});

test("a slow reader that continues without room gives its pages back, which is a preemption", () => {
  const { scheduler } = setup({ pages: 4, pageSize: 2 });
  const a = started(scheduler, "a", 1);
  a.isPaused = true;
  const b = started(scheduler, "b", 5);
  a.isPaused = false;
  const c = make("c", 2);
  scheduler.push(c);
  plan(scheduler);
  expect([a.preemptions, a.table, scheduler.preemptions, scheduler.running]).toEqual([1, [], 1, [b]]);
  scheduler.remove(a);
  scheduler.plan();
  // A request that never ran is not preempted.
  expect([c.preemptions, c.table, scheduler.preemptions]).toEqual([0, [], 1]);
});

test("running sequences are in order of arrival, whenever they began", () => {
  const { scheduler } = setup({ sequences: 2 });
  const a = started(scheduler, "a", 2, { length: 20 });
  a.isPaused = true;
  const b = started(scheduler, "b", 2, { length: 20 });
  a.isPaused = false;
  run(scheduler);
  expect(scheduler.running).toEqual([a, b]);
});

test("a prompt of one token is a prompt, and tokens that are computed again are no new ones", () => {
  const { scheduler } = setup({ rows: 4 });
  for (const one of [make("one", 1), make("b", 3)]) scheduler.push(one);
  expect(shown(run(scheduler))).toEqual([
    ["b", 0, 3],
    ["one", 0, 1],
  ]);
  const again = setup({ rows: 4 });
  const sequence = make("again", 3, { length: 9 });
  sequence.tokens.push(1, 2, 3, 4);
  again.scheduler.push(sequence);
  expect([shown(run(again.scheduler)), shown(run(again.scheduler))]).toEqual([[["again", 0, 4]], [["again", 4, 7]]]);
});

test("the last token of a prompt runs, and all pages before it are reused", () => {
  const { scheduler } = setup({ rows: 32, enablePrefixCaching: true });
  started(scheduler, "a", 9);
  scheduler.push(make("b", 9));
  expect(shown(plan(scheduler))).toContainEqual(["b", 8, 9]);
  // A page that a new token fills is shared too.
  const { scheduler: other } = setup({ rows: 32, enablePrefixCaching: true });
  const c = started(other, "c", 3, { length: 8 });
  run(other);
  const d = make("d", 5);
  d.tokens.splice(0, 4, ...c.tokens.slice(0, 4));
  other.push(d);
  run(other);
  expect(d.cachedTokens).toBe(4);
});

test("a tenant is charged for each token once: the prompt when it is taken, new tokens when they run", () => {
  const { scheduler } = setup({ rows: 2 });
  const a = make("a", 3);
  scheduler.push(a);
  expect([scheduler.take(), a.charged]).toEqual([[a], 3]);
  scheduler.ready(a);
  const charged = Array.from({ length: 4 }, () => {
    run(scheduler);
    return a.charged;
  });
  expect(charged).toEqual([3, 3, 4, 5]);
});

test("a prompt that has no page waits while others decode", () => {
  for (let pages = 6; pages < 12; pages++) {
    for (const rows of [2, 3, 4]) {
      const { scheduler } = setup({ pages, pageSize: 2, rows });
      for (const one of [make("a", 3, { length: 2 * pages - 4 }), make("b", 8)]) scheduler.push(one);
      while (goesOn(scheduler)) for (const { start, end } of run(scheduler)) expect(end).toBeGreaterThan(start);
    }
  }
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
