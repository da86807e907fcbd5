import type { PagePool } from "../../cache/pagePool.ts";
import { FairQueue } from "./fairQueue.ts";
import type { Chunk, Sequence } from "./sequence.ts";

/** Limits of a scheduler. */
interface SchedulerLimits {
  /** Maximum number of sequences that run at once. */
  readonly maxNumSeqs: number;
  /** Maximum number of rows of a pass. Each row is one token: of a prompt, or the last one of a decoding sequence. */
  readonly maxNumBatchedTokens: number;
}

/**
 * Number of requests that `take` takes in addition to those for which the batch has space. If one of them waits for its
 * adapter, another whose adapter is in memory can run instead.
 */
const spare = 4;

/**
 * Chooses the tokens that the next pass computes, one per row. Requests join and leave between passes. Decoding
 * sequences come first; prompt chunks fill the remaining rows. If pages run out, the newest sequence is preempted: it
 * releases its pages and is recomputed later. The oldest sequence therefore always continues, and every sequence
 * becomes the oldest at some time. A sequence whose reader is slow is paused; it keeps its pages until another sequence
 * needs them.
 */
export class Scheduler<S extends Sequence> {
  /** Number of preemptions so far. */
  preemptions = 0;
  readonly #limits: SchedulerLimits;
  readonly #pool: PagePool;
  readonly #queue = new FairQueue<S>();
  /** Sequences from the queue whose adapters are being loaded. */
  readonly #loading = new Set<S>();
  /** Sequences that wait for pages, in the order in which their adapters became ready. */
  #ready: S[] = [];
  /** Sequences that take part in passes, in order of arrival. */
  #running: S[] = [];
  /** Sequences that were preempted or resumed and wait to run again, in order of arrival. */
  #preempted: S[] = [];
  /** Sequences that are paused since their readers are slow, in order of arrival. */
  #paused: S[] = [];

  constructor(limits: SchedulerLimits, pool: PagePool) {
    this.#limits = limits;
    this.#pool = pool;
  }

  /** Number of sequences that wait for their turn, their adapter or pages. */
  get waiting(): number {
    return this.#queue.size + this.#loading.size + this.#ready.length + this.#preempted.length;
  }

  /** Number of sequences whose adapters are being loaded. */
  get loading(): number {
    return this.#loading.size;
  }

  /** Number of sequences with slow readers. */
  get paused(): number {
    return this.#paused.length;
  }

  /** Sequences that take part in passes, in order of arrival. */
  get running(): readonly S[] {
    return this.#running;
  }

  /** Adds a request to the queue of its tenant and adapter. */
  push(sequence: S): void {
    this.#queue.push(sequence);
  }

  /**
   * Takes the next requests from the queue. The caller loads their adapters, and calls `ready` for each loaded one.
   * Takes up to `spare` more requests than the batch has space for; all others keep their turns in the queue. Requests
   * to the base model may overtake requests that wait for loads.
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

  /** Records that a request's adapter is loaded. Does nothing for a request that has ended. */
  ready(sequence: S): void {
    if (this.#loading.delete(sequence)) this.#ready.push(sequence);
  }

  /** Ends a sequence in any state and releases its pages. */
  remove(sequence: S): void {
    this.#loading.delete(sequence);
    this.#ready = this.#ready.filter((other) => other !== sequence);
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

  /** Returns the tokens that the next pass computes, as a chunk per sequence; an empty list if no sequence can run. */
  plan(): Chunk<S>[] {
    this.#pause();
    this.#admit();
    return this.#chunks();
  }

  /**
   * Pauses sequences whose clients read too slowly. Sequences whose clients have caught up wait to run again, like
   * preempted ones.
   */
  #pause(): void {
    const resumed = this.#paused.filter(({ isPaused }) => !isPaused);
    const paused = this.#running.filter(({ isPaused }) => isPaused);
    if (paused.length + resumed.length === 0) return;
    this.#running = this.#running.filter(({ isPaused }) => !isPaused);
    this.#preempted = [...this.#preempted, ...resumed].sort(byArrival);
    this.#paused = [...this.#paused.filter(({ isPaused }) => isPaused), ...paused].sort(byArrival);
  }

  /** Admits sequences while the batch has space and pages are free: preempted ones first, then new ones. */
  #admit(): void {
    while (this.#running.length < this.#limits.maxNumSeqs) {
      const queue = this.#preempted.length > 0 ? this.#preempted : this.#ready;
      if (queue.length === 0 || !this.#begin(queue[0])) return;
      this.#running.push(queue.shift()!);
      this.#running.sort(byArrival);
    }
  }

  /**
   * Adds cached prefix pages to a sequence that is about to run. Returns false if too few pages are free for the
   * sequence's other tokens.
   */
  #begin(sequence: S): boolean {
    const pool = this.#pool;
    const held = sequence.table.length > 0;
    this.#reuse(sequence);
    const promised = this.#running.reduce((sum, { tokens, table }) => {
      return sum + pool.pagesOf(tokens.length + 1) - table.length;
    }, 0);
    const needed = pool.pagesOf(sequence.tokens.length) - sequence.table.length;
    if (needed + promised <= pool.available + this.#reclaimable(sequence)) {
      while (needed + promised > pool.available && this.#reclaim(sequence));
    }
    if (needed + promised <= pool.available) return true;
    if (held) this.#giveBack(sequence);
    else this.#free(sequence);
    return false;
  }

  /** Extends a sequence with cached pages that hold its next tokens. At least the last token is always computed. */
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
      if (decodes(sequence) && this.#claim(sequence)) add(sequence, 1);
    }
    const prompts = this.#running.filter((sequence) => !decodes(sequence));
    for (const sequence of prompts) this.#reuse(sequence);
    // At least half of the rows are reserved for the oldest prompt. Shorter prompts come next, and the oldest prompt
    // also gets the rows that they leave.
    const [oldest, ...others] = prompts;
    if (!oldest) return chunks;
    const sure = this.#grow(oldest, Math.ceil(rows / 2));
    rows -= sure;
    for (const sequence of others.sort((a, b) => pending(a) - pending(b) || byArrival(a, b))) {
      const count = this.#grow(sequence, rows);
      if (count > 0) add(sequence, count);
    }
    rows += sure;
    const count = this.#grow(oldest, rows);
    if (count > 0) add(oldest, count);
    return chunks;
  }

  /**
   * Allocates the page for a decoding sequence's next token, and preempts the newest sequences if no page is free.
   * Returns false if the sequence itself was preempted.
   */
  #claim(sequence: S): boolean {
    while (this.#running.includes(sequence)) {
      if (this.#grow(sequence, pending(sequence)) > 0) return true;
      this.#preempt(this.#running[this.#running.length - 1]);
    }
    return false;
  }

  /** Allocates pages for at most `rows` of a sequence's next tokens. Returns how many tokens fit. */
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

  /**
   * Allocates a page. If none is free, frees pages of paused and preempted sequences. Returns null if these sequences
   * have no pages either.
   */
  #takePage(): number | null {
    let page = this.#pool.take();
    while (page === null && this.#reclaim()) page = this.#pool.take();
    return page;
  }

  /**
   * Frees the pages of the newest paused sequence, or else of the newest preempted one. Skips `except` and sequences
   * without pages. Returns false if no sequence is left.
   */
  #reclaim(except?: S): boolean {
    const holds = (sequence: S) => sequence !== except && sequence.table.length > 0;
    const last = this.#paused.findLast(holds) ?? this.#preempted.findLast(holds);
    if (!last) return false;
    this.#giveBack(last);
    return true;
  }

  /** Returns how many pages repeated calls of `#reclaim` can free. */
  #reclaimable(except: S): number {
    const idle = [...this.#paused, ...this.#preempted].filter((sequence) => sequence !== except);
    return idle.reduce((sum, { table }) => sum + table.length, 0);
  }

  /** Frees a sequence's pages. Its keys and values must then be computed again. */
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

  /**
   * Records a completed pass: the tokens of its rows count as computed, full pages are shared with other sequences, and
   * the tokens are charged to their tenants and adapters.
   */
  commit(chunks: readonly Chunk<S>[]): void {
    for (const { sequence, start, end } of chunks) {
      sequence.computed = end;
      for (let page = Math.floor(start / this.#pool.pageSize); (page + 1) * this.#pool.pageSize <= end; page++) {
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

/** Returns true if all prompt tokens of a sequence are computed, and exactly one token remains to compute. */
function decodes(sequence: Sequence): boolean {
  return sequence.computed >= sequence.promptLength && pending(sequence) === 1;
}

function byArrival(a: Sequence, b: Sequence): number {
  return a.arrival - b.arrival;
}
