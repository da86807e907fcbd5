import { byteTokenIds } from "../byteLetters.ts";
import { type ModelJson, type TokenModel, UnknownTextError } from "./tokenModel.ts";

/** Minimum length of a word, in UTF-16 code units, that is cut into parts to save time. */
const longWord = 1000;
/** Upper limit of token ids. A pair of ids is stored as one number: left * idLimit + right. */
const idLimit = 2 ** 25;

/** Makes a byte-pair (BPE) model. It merges adjacent tokens in the order of the merge list until no merge applies. */
export function bytePairModel(json: ModelJson): TokenModel {
  const { unk_token: unknownToken, byte_fallback, fuse_unk, ignore_merges } = json;
  const prefix = json.continuing_subword_prefix ?? "";
  const suffix = json.end_of_word_suffix ?? "";
  const ids = new Map(Object.entries(json.vocab as Record<string, number>));
  const { ranks, merged, joined } = readMerges(json, ids, prefix);
  const unknown = unknownToken == null ? undefined : ids.get(unknownToken);

  /** Returns the ids of a word's characters before any merge. */
  function letters(word: string): number[] {
    const symbols: number[] = [];
    let held: number | undefined;
    const release = () => {
      if (held !== undefined) symbols.push(held);
      held = undefined;
    };
    let at = 0;
    for (const character of word) {
      const isFirst = at === 0;
      at += character.length;
      const letter = (isFirst ? "" : prefix) + character + (at === word.length ? suffix : "");
      const id = ids.get(letter);
      if (id !== undefined) {
        release();
        symbols.push(id);
        continue;
      }
      const bytes = byte_fallback ? byteTokenIds(letter, ids) : undefined;
      if (bytes) {
        symbols.push(...bytes);
      } else if (unknownToken != null) {
        if (unknown === undefined) throw new UnknownTextError(character);
        if (!fuse_unk) release();
        held = unknown;
      }
    }
    release();
    return symbols;
  }

  function merge(symbols: number[]): number[] {
    const size = symbols.length;
    if (size < 2) return symbols;
    // The extra symbol -1 at the end is the neighbour of the first and the last symbol, so no bounds need checking. No
    // merge contains -1.
    symbols.push(-1);
    const next = Int32Array.from(symbols, (_, i) => i + 1);
    const previous = Int32Array.from(symbols, (_, i) => (i === 0 ? size : i - 1));
    const queue = new MergeQueue();
    const enqueue = (left: number) => {
      const rank = ranks.get(symbols[left] * idLimit + symbols[next[left]]);
      if (rank !== undefined) queue.push(rank, left);
    };
    for (let i = 0; i < size; i++) enqueue(i);
    for (let top = queue.pop(); top; top = queue.pop()) {
      const { position: left, rank } = top;
      const right = next[left];
      const now = ranks.get(symbols[left] * idLimit + symbols[right]);
      if (merged[now!] !== merged[rank]) continue;
      symbols[left] = merged[rank];
      symbols[right] = -1;
      next[left] = next[right];
      previous[next[left]] = left;
      enqueue(previous[left]);
      enqueue(left);
    }
    return symbols.filter((id) => id >= 0);
  }

  // Cutting a word is only correct between two characters of the vocabulary that no merge joins.
  const canCut = prefix === "" && suffix === "";
  function* cut(word: string): Generator<string> {
    let start = 0;
    let before = "";
    let at = 0;
    for (const character of word) {
      if (at > 0 && ids.has(before) && ids.has(character) && !joined.has(before + character)) {
        yield word.slice(start, at);
        start = at;
      }
      before = character;
      at += character.length;
    }
    yield word.slice(start);
  }

  return {
    ids,
    encode: (word) => {
      const id = ignore_merges ? ids.get(word) : undefined;
      return id === undefined ? merge(letters(word)) : [id];
    },
    cut: (word) => (!canCut || word.length < longWord || (ignore_merges && ids.has(word)) ? [word] : cut(word)),
  };
}

/**
 * The merge list. `ranks` maps a pair of ids (left * idLimit + right) to its rank; `merged[rank]` is the id of the
 * merged token.
 */
interface Merges {
  readonly ranks: ReadonlyMap<number, number>;
  readonly merged: readonly number[];
  /**
   * The pairs of adjacent characters that some merge joins. Each is the last character of the merge's left token,
   * followed by the first character of its right token.
   */
  readonly joined: ReadonlySet<string>;
}

function readMerges({ merges = [] }: ModelJson, ids: ReadonlyMap<string, number>, prefix: string): Merges {
  const ranks = new Map<number, number>();
  const merged: number[] = [];
  const joined = new Set<string>();
  for (const [rank, pair] of merges.entries()) {
    const [left, right] = typeof pair === "string" ? pair.split(" ") : pair;
    const whole = left + (right.startsWith(prefix) ? right.slice(prefix.length) : right);
    const [a, b, id] = [left, right, whole].map((token) => {
      const found = ids.get(token);
      if (found !== undefined) return found;
      throw new Error(`merges[${rank}] is ${JSON.stringify(pair)}, and the vocabulary lacks ${JSON.stringify(token)}`);
    });
    ranks.set(a * idLimit + b, rank);
    merged.push(id);
    joined.add(Array.from(left.slice(-2)).at(-1)! + String.fromCodePoint(right.codePointAt(0)!));
  }
  return { ranks, merged, joined };
}

/**
 * A merge of two adjacent symbols that may be applied: its rank in the merge list, and the position of the left symbol
 * in the word.
 */
export interface WaitingMerge {
  readonly rank: number;
  readonly position: number;
}

/** Upper limit of the positions in a word, so that a rank and a position fit in one number. */
const mostPositions = 2 ** 28;

/** A queue of pending merges, ordered by rank and then from left to right. */
export class MergeQueue {
  /** Binary heap of merges, each stored as rank * mostPositions + position. */
  readonly #heap: number[] = [];

  push(rank: number, position: number): void {
    const key = rank * mostPositions + position;
    const heap = this.#heap;
    let at = heap.length;
    heap.push(key);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (heap[parent] <= key) break;
      heap[at] = heap[parent];
      at = parent;
    }
    heap[at] = key;
  }

  pop(): WaitingMerge | undefined {
    const heap = this.#heap;
    if (heap.length === 0) return undefined;
    const top = heap[0];
    const last = heap.pop()!;
    if (heap.length > 0) {
      let at = 0;
      for (let child = 1; child < heap.length; child = 2 * at + 1) {
        if (heap[child + 1] < heap[child]) child++;
        if (heap[child] >= last) break;
        heap[at] = heap[child];
        at = child;
      }
      heap[at] = last;
    }
    const rank = Math.floor(top / mostPositions);
    return { rank, position: top - rank * mostPositions };
  }
}
