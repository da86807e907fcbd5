type Pair = readonly [left: string, right: string];

/**
 * Returns a score for each token, for llama.cpp's SentencePiece tokenizer. It always joins the two adjacent tokens
 * whose concatenation has the highest score, leftmost first. With these scores, the tokenizer applies `merges` in the
 * order of the list. Tokens that no merge produces get the lowest score. `exact` is false if the tokenizer may still
 * split some texts differently than the BPE.
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
 * Returns true if the merges contain every pair of tokens or characters whose concatenation is a token. SentencePiece
 * would also join pairs that are not in the list of merges; the BPE would not.
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
 * Several merges may produce the same token, such as a + bc and ab + c. The BPE applies these merges in the order of
 * the list, SentencePiece from left to right in the text. Returns true if both always give the same result. Returns
 * false if two of the merges can need the same piece of a text. Also returns false if an earlier merge can join the
 * produced token to a piece that another of them needs.
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
