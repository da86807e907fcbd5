type Pair = readonly [left: string, right: string];

/**
 * Returns scores with which llama.cpp's SentencePiece BPE joins pieces in the order of `merges`. It always joins the
 * neighbours whose concatenation has the highest score, leftmost first. Tokens that no merge produces have the lowest
 * score. `exact` is false if some text could be split differently.
 */
export function spmScores(tokens: readonly string[], merges: readonly Pair[]): { scores: number[]; exact: boolean } {
  const ranks = new Map<string, number>();
  const pairs = new Map<string, Pair[]>();
  let together = true;
  let previous: string | undefined;
  for (const pair of merges) {
    const token = pair.join("");
    if (!ranks.has(token)) ranks.set(token, ranks.size);
    else if (token !== previous) together = false;
    pairs.set(token, [...(pairs.get(token) ?? []), pair]);
    previous = token;
  }
  const exact = together && isComplete(tokens, pairs) && orderOfPairsIsFree(merges, pairs, ranks);
  return { scores: tokens.map((token) => 0 - (ranks.get(token) ?? ranks.size)), exact };
}

/** Returns true if every pair of pieces whose concatenation is a token is a merge. Scores cannot exclude a pair. */
function isComplete(tokens: readonly string[], pairs: ReadonlyMap<string, readonly Pair[]>): boolean {
  const known = new Set(tokens);
  // A character without a token can also occur in a text.
  const stands = (piece: string) => known.has(piece) || [...piece].length === 1;
  return tokens.every((token) => {
    const named = new Set(pairs.get(token)?.map(([left]) => left));
    const letters = [...token];
    return letters.slice(1).every((_, i) => {
      const left = letters.slice(0, i + 1).join("");
      return named.has(left) || !stands(left) || !stands(token.slice(left.length));
    });
  });
}

/**
 * Returns true if the order of several merges for the same token does not matter. BPE orders them by rank,
 * SentencePiece by position. The order matters if two of the pairs could use the same piece. It also matters if the
 * result of one merge uses up a piece of another.
 */
function orderOfPairsIsFree(
  merges: readonly Pair[],
  pairs: ReadonlyMap<string, readonly Pair[]>,
  ranks: ReadonlyMap<string, number>,
): boolean {
  const users = new Map<string, Pair[]>();
  for (const pair of merges) for (const part of pair) users.set(part, [...(users.get(part) ?? []), pair]);
  return [...pairs].every(([token, ways]) => {
    if (ways.length === 1) return true;
    const [lefts, rights] = [new Set(ways.map(([left]) => left)), new Set(ways.map(([, right]) => right))];
    if (ways.some(([, right], i) => ways.slice(0, i).some(([left]) => left === right))) return false;
    const made = [token];
    for (const part of made) {
      for (const [left, right] of users.get(part) ?? []) {
        if (ranks.get(left + right)! >= ranks.get(token)!) continue;
        if ((right === part && rights.has(left)) || (left === part && lefts.has(right))) return false;
        made.push(left + right);
      }
    }
    return true;
  });
}
