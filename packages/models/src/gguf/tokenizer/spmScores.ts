type Pair = readonly [left: string, right: string];

/**
 * Returns a score for each token, with which llama.cpp's SentencePiece BPE applies `merges` in their order. That BPE
 * always joins the two neighbours whose concatenation has the highest score, leftmost first. Tokens that no merge
 * produces get the lowest score. `exact` is false if some texts may still be split differently.
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
 * Returns true if the merges contain every pair of pieces whose concatenation is a token. Any other pair would be
 * merged by SentencePiece, but not by the BPE.
 */
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
 * Returns true if the order among merges for the same token never matters. BPE applies such merges by rank,
 * SentencePiece by position. The order matters if two of the merges can need the same piece, or if the result of one
 * merge is part of another.
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
