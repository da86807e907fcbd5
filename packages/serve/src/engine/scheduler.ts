import type { PagePool } from "../cache/pagePool.ts";
import { FairQueue } from "./fairQueue.ts";
import type { Chunk, Sequence } from "./sequence.ts";

/** Limits of a scheduler. */
interface SchedulerLimits {
  /** The most sequences that run at once. */
  readonly maxNumSeqs: number;
  /** The most rows of a pass. */
  readonly maxNumBatchedTokens: number;
}

/**
 * Requests that are taken beyond the free places: where the adapter of one is yet to be loaded,
 * that of another may be in memory, and its place stays empty for no pass.
 */
const spare = 4;

/**
 * Decides which rows run in the next pass. Requests join and leave between passes. Sequences that
 * decode come first; chunks of prompts fill the rest of the rows. Where pages run out, the sequence
 * that came last gives its own back and is computed again later: so the one that came first always
 * goes on, and each becomes that one in time. A sequence whose reader is behind leaves its place;
 * it keeps its pages until another sequence needs them.
 */
export class Scheduler<S extends Sequence> {
  /** Sequences that were put off for want of pages, so far. */
  preemptions = 0;
  readonly #limits: SchedulerLimits;
  readonly #pool: PagePool;
  readonly #queue = new FairQueue<S>();
  /** Taken from the queue; their adapters are being loaded. */
  readonly #loading = new Set<S>();
  /** They wait for pages, in the order in which they got their adapters. */
  readonly #ready: S[] = [];
  /** In the order of arrival, as are those below. */
  #running: S[] = [];
  #preempted: S[] = [];
  /** Their readers are behind. */
  #paused: S[] = [];

  constructor(limits: SchedulerLimits, pool: PagePool) {
    this.#limits = limits;
    this.#pool = pool;
  }

  /** Sequences that wait, for their turn, their adapter or pages. */
  get waiting(): number {
    return this.#queue.size + this.#loading.size + this.#ready.length + this.#preempted.length;
  }

  /** Sequences whose adapters are being loaded. */
  get loading(): number {
    return this.#loading.size;
  }

  /** Sequences whose readers are behind. */
  get paused(): number {
    return this.#paused.length;
  }

  /** Sequences that hold pages and a place, in the order of arrival. */
  get running(): readonly S[] {
    return this.#running;
  }

  /** Adds a request at the end of its adapter's queue. */
  push(sequence: S): void {
    this.#queue.push(sequence);
  }

  /**
   * Takes requests whose adapters are to be made ready; `ready` must follow for each. They are as
   * many as places are free, and a few more: all others keep their turns. Requests to the base
   * model pass by those that wait for loads.
   */
  take(): S[] {
    const { maxNumSeqs } = this.#limits;
    const free = maxNumSeqs - this.#ready.length - this.#running.length - this.#preempted.length;
    const taken: S[] = [];
    while (free > 0 && taken.length < free + spare) {
      const sequence = this.#queue.take(({ adapter }) => adapter === null || this.#loading.size < maxNumSeqs);
      if (!sequence) break;
      this.#loading.add(sequence);
      this.#queue.charge(sequence, sequence.promptLength);
      sequence.charged = sequence.promptLength;
      taken.push(sequence);
    }
    return taken;
  }

  /** Notes that a request's adapter is there. Does nothing for one that has ended meanwhile. */
  ready(sequence: S): void {
    if (this.#loading.delete(sequence)) this.#ready.push(sequence);
  }

  /** Ends a sequence in any state and gives its pages back. */
  remove(sequence: S): void {
    this.#loading.delete(sequence);
    const ready = this.#ready.indexOf(sequence);
    if (ready >= 0) this.#ready.splice(ready, 1);
    this.#running = this.#running.filter((other) => other !== sequence);
    this.#preempted = this.#preempted.filter((other) => other !== sequence);
    this.#paused = this.#paused.filter((other) => other !== sequence);
    this.#free(sequence);
    this.#queue.leave(sequence);
  }

  #free(sequence: S): void {
    this.#pool.release(sequence.table);
    sequence.table.length = 0;
    sequence.computed = 0;
  }

  /** Returns the chunks of the next pass; none where nothing can run. */
  plan(): Chunk<S>[] {
    this.#pause();
    this.#admit();
    let chunks = this.#chunks();
    // Prompts alone may have taken all pages without one that could go on.
    while (chunks.length === 0 && this.#running.length > 1) {
      this.#preempt(this.#running[this.#running.length - 1]);
      chunks = this.#chunks();
    }
    return chunks;
  }

  /** Pauses sequences whose clients read too slowly. Sequences whose clients caught up wait for places. */
  #pause(): void {
    const resumed = this.#paused.filter(({ isPaused }) => !isPaused);
    const paused = this.#running.filter(({ isPaused }) => isPaused);
    if (paused.length > 0) this.#running = this.#running.filter(({ isPaused }) => !isPaused);
    if (resumed.length > 0) this.#preempted = [...this.#preempted, ...resumed].sort(byArrival);
    if (paused.length + resumed.length === 0) return;
    this.#paused = [...this.#paused.filter(({ isPaused }) => isPaused), ...paused].sort(byArrival);
  }

  /** Lets sequences in that find a place and pages: first those put off, then new ones. */
  #admit(): void {
    while (this.#running.length < this.#limits.maxNumSeqs) {
      const queue = this.#preempted.length > 0 ? this.#preempted : this.#ready;
      if (queue.length === 0 || !this.#begin(queue[0])) return;
      this.#running.push(queue.shift()!);
      this.#running.sort(byArrival);
    }
  }

  /** Takes what shared pages hold; false where the rest finds no room. */
  #begin(sequence: S): boolean {
    const pool = this.#pool;
    const held = sequence.table.length > 0;
    this.#reuse(sequence);
    const growing = this.#running.map((other) => pool.pagesOf(other.tokens.length + 1) - other.table.length);
    const promised = growing.reduce((sum, pages) => sum + Math.max(0, pages), 0);
    const needed = pool.pagesOf(sequence.tokens.length) - sequence.table.length;
    if (needed + promised <= pool.available + this.#reclaimable(sequence)) {
      while (needed + promised > pool.available && this.#reclaim(sequence));
    }
    if (this.#running.length === 0 || needed + promised <= pool.available) return true;
    if (held) this.#giveBack(sequence);
    else this.#free(sequence);
    return false;
  }

  /** Goes on from shared pages, as far as they hold its tokens; the last token always runs. */
  #reuse(sequence: S): void {
    const { table, tokens, computed } = sequence;
    if (sequence.wantsPromptLogits || computed !== table.length * this.#pool.pageSize) return;
    this.#pool.extend(table, sequence, tokens, tokens.length - 1);
    sequence.computed = table.length * this.#pool.pageSize;
    if (sequence.preemptions === 0) sequence.cachedTokens += sequence.computed - computed;
  }

  #chunks(): Chunk<S>[] {
    const chunks: Chunk<S>[] = [];
    let rows = this.#limits.maxNumBatchedTokens;
    const add = (sequence: S, count: number) => {
      const { computed: start } = sequence;
      chunks.push({ sequence, start, end: start + count });
      rows -= count;
    };
    for (const sequence of this.#running) {
      if (decodes(sequence) && rows > 0 && this.#claim(sequence)) add(sequence, 1);
    }
    const prompts = this.#running.filter((sequence) => !decodes(sequence));
    for (const sequence of prompts) this.#reuse(sequence);
    // The oldest prompt is sure of half of the rows; short ones pass it by, and it takes the rest.
    const [oldest, ...others] = prompts;
    const sure = oldest ? this.#grow(oldest, Math.ceil(rows / 2)) : 0;
    rows -= sure;
    for (const sequence of others.sort((a, b) => pending(a) - pending(b) || byArrival(a, b))) {
      const count = this.#grow(sequence, rows);
      if (count > 0) add(sequence, count);
    }
    rows += sure;
    const count = oldest ? this.#grow(oldest, rows) : 0;
    if (count > 0) add(oldest, count);
    return chunks;
  }

  /** Gets the page that a sequence's next token needs, from the last to come if need be. */
  #claim(sequence: S): boolean {
    while (this.#running.includes(sequence)) {
      if (this.#grow(sequence, 1) > 0) return true;
      this.#preempt(this.#running[this.#running.length - 1]);
    }
    return false;
  }

  /** Takes pages for the next tokens, at most `rows`; returns for how many there is room. */
  #grow(sequence: S, rows: number): number {
    const { table, computed } = sequence;
    const { pageSize } = this.#pool;
    const end = Math.min(sequence.tokens.length, computed + rows);
    while (table.length * pageSize < end) {
      const page = this.#takePage();
      if (page === null) break;
      table.push(page);
    }
    return Math.min(end, table.length * pageSize) - computed;
  }

  /** Takes a free page, or one of a sequence that does not run; null if there is none. */
  #takePage(): number | null {
    let page = this.#pool.take();
    while (page === null && this.#reclaim()) page = this.#pool.take();
    return page;
  }

  /**
   * Frees the pages of the last to come among the sequences that hold some and do not run, other
   * than `except`. Returns false if there is none.
   */
  #reclaim(except?: S): boolean {
    const holds = (sequence: S) => sequence !== except && sequence.table.length > 0;
    const last = this.#paused.findLast(holds) ?? this.#preempted.findLast(holds);
    if (!last) return false;
    this.#giveBack(last);
    return true;
  }

  /** Counts the pages that `reclaim` would free at most. */
  #reclaimable(except: S): number {
    const idle = [...this.#paused, ...this.#preempted].filter((sequence) => sequence !== except);
    return idle.reduce((sum, { table }) => sum + table.length, 0);
  }

  /** Frees a sequence's pages: its tokens are computed again. */
  #giveBack(sequence: S): void {
    this.#free(sequence);
    sequence.preemptions += 1;
    this.preemptions += 1;
  }

  #preempt(sequence: S): void {
    this.#running = this.#running.filter((other) => other !== sequence);
    this.#giveBack(sequence);
    this.#preempted.push(sequence);
    this.#preempted.sort(byArrival);
  }

  /** Notes that a pass has run: its rows lie in pages, and full pages can be shared. */
  commit(chunks: readonly Chunk<S>[]): void {
    for (const { sequence, start, end } of chunks) {
      sequence.computed = end;
      for (let page = this.#pool.pagesOf(start + 1) - 1; (page + 1) * this.#pool.pageSize <= end; page++) {
        this.#pool.share(sequence.table, page, sequence, sequence.tokens);
      }
      const served = Math.max(0, end - sequence.charged);
      this.#queue.charge(sequence, served);
      sequence.charged += served;
    }
  }
}

function pending({ tokens, computed }: Sequence): number {
  return tokens.length - computed;
}

/** True for a sequence of which one new token is to run. */
function decodes(sequence: Sequence): boolean {
  return sequence.computed >= sequence.promptLength && pending(sequence) === 1;
}

function byArrival(a: Sequence, b: Sequence): number {
  return a.arrival - b.arrival;
}
