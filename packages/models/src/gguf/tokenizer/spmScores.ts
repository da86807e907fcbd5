type Pair = readonly [left: string, right: string];

/**
 * Scores that make SentencePiece's BPE, as llama.cpp runs it, join pieces as `merges` do: it joins
 * the neighbours whose union has the highest score, of equal ones the first. Tokens that no merge
 * makes come last. `exact` is false where a text could come out otherwise.
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

/**
 * Returns true if every pair of pieces whose union is a token is a merge.
 * Scores join all such pairs.
 */
function isComplete(tokens: readonly string[], pairs: ReadonlyMap<string, readonly Pair[]>): boolean {
  const known = new Set(tokens);
  // A letter without a token stands in a text too.
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
 * Returns true if several pairs of one token may be joined in any order. Merges go by pair, scores
 * by place. The order matters where two of the pairs can want one piece, and where the result of
 * the first takes a piece of the second.
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
