import { byteTokenIds } from "../byteLetters.ts";
import { type ModelJson, type TokenModel, UnknownTextError } from "./tokenModel.ts";

/** An unknown character gets the lowest score of all tokens minus this value. */
const unknownPenalty = 10;

/** A node of a trie with one character per step. `id` is set if a token ends at this node. */
interface Node {
  readonly next: Map<string, Node>;
  id?: number;
}

/** Makes a Unigram model. It splits a word into the tokens with the highest sum of scores. */
export function unigramModel({ vocab, unk_id, byte_fallback }: ModelJson): TokenModel {
  const pieces = vocab as readonly (readonly [string, number])[];
  const ids = new Map(pieces.map(([piece], id) => [piece, id] as const));
  const root: Node = { next: new Map() };
  for (const [piece, id] of ids) {
    let node = root;
    for (const character of piece) {
      const next: Node = node.next.get(character) ?? { next: new Map() };
      node.next.set(character, next);
      node = next;
    }
    node.id = id;
  }
  const unknown = unk_id ?? undefined;
  const unknownScore = pieces.reduce((least, [, score]) => Math.min(least, score), Infinity) - unknownPenalty;

  /** Returns the tokens of the split with the highest sum of scores. Adjacent unknown characters form one item. */
  function bestPath(word: string): string[] {
    const characters = Array.from(word);
    const size = characters.length;
    const ends = size + 1;
    const scores = new Float64Array(ends);
    const starts = new Int32Array(ends);
    starts.fill(-1);
    const best = new Int32Array(ends);
    for (let start = 0; start < size; start++) {
      const take = (end: number, score: number, id: number) => {
        const sum = score + scores[start];
        if (starts[end] >= 0 && sum <= scores[end]) return;
        [scores[end], starts[end], best[end]] = [sum, start, id];
      };
      let node = root.next.get(characters[start]);
      for (let end = start + 1; node; end++) {
        if (node.id !== undefined) take(end, pieces[node.id][1], node.id);
        node = node.next.get(characters[end]);
      }
      if (unknown === undefined && starts[start + 1] < 0) throw new UnknownTextError(characters[start]);
      // This score is lower than every token's, so a token of one character is preferred to an unknown character.
      if (unknown !== undefined) take(start + 1, unknownScore, unknown);
    }
    const path: string[] = [];
    let run = "";
    const endRun = () => {
      if (run !== "") path.push(run);
      run = "";
    };
    for (let end = size; end > 0; end = starts[end]) {
      const piece = characters.slice(starts[end], end).join("");
      if (best[end] === unknown) {
        run = piece + run;
        continue;
      }
      endRun();
      path.push(piece);
    }
    endRun();
    return path.reverse();
  }

  return {
    ids,
    encode: (word) =>
      bestPath(word).flatMap((piece) => {
        const id = ids.get(piece);
        if (id !== undefined) return id;
        return (byte_fallback ? byteTokenIds(piece, ids) : undefined) ?? [unknown!];
      }),
  };
}
