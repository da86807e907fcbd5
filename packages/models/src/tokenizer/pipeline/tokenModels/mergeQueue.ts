/** A merge that may be applied: its rank in the merge list, and the position of its left symbol in the word. */
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
