import type { TokenizerJson } from "./tokenizerMetadata.ts";

type Pair = readonly [left: string, right: string];

const newlines = /^\n+$/;

/**
 * Returns the reason why llama.cpp's `gemma4` tokenizer may split some texts differently from a tokenizer.json;
 * undefined if it never does. The `gemma4` tokenizer replaces spaces by U+2581 and treats each run of newlines as a
 * separate word. If the run is a token, no merges are applied to it.
 */
export function mergedLettersDifference(
  { normalizer, pre_tokenizer: preTokenizer, model }: TokenizerJson,
  tokens: readonly (string | undefined)[],
  merges: readonly Pair[],
): string | undefined {
  const pattern = normalizer?.pattern as { String?: string } | undefined;
  const replaces = normalizer?.type === "Replace" && pattern?.String === " " && normalizer.content === "▁";
  // The normalizer has replaced all spaces, so this pre-tokenizer never splits.
  const splits = preTokenizer?.type === "Split" && (preTokenizer.pattern as { String?: string }).String === " ";
  if (!replaces || (preTokenizer && !splits)) return "its normalizer and pre-tokenizer are not Gemma 4's";
  if (model.ignore_merges) return "its ignore_merges is not llama.cpp's";
  if (merges.some((pair) => /[^\n]\n|\n[^\n]/.test(pair.join("")))) return "it merges newlines with other letters";
  return joinsNewlines(tokens, merges) ? undefined : "its merges do not make one token of every run of newlines";
}

/** Returns true if, for each token that is a run of newlines, the merges make that token from single newlines. */
function joinsNewlines(tokens: readonly (string | undefined)[], merges: readonly Pair[]): boolean {
  const pairs = merges.filter((pair) => newlines.test(pair.join("")));
  const ranks = new Map(pairs.map(([left, right], rank) => [`${left.length} ${right.length}`, rank]));
  const runs = tokens.filter((token) => token !== undefined && newlines.test(token)) as string[];
  return runs.every((run) => {
    const parts = Array.from(run, () => 1);
    while (parts.length > 1) {
      const found = parts.slice(1).map((right, i) => ranks.get(`${parts[i]} ${right}`) ?? Number.POSITIVE_INFINITY);
      const first = Math.min(...found);
      if (first === Number.POSITIVE_INFINITY) return false;
      const at = found.indexOf(first);
      parts.splice(at, 2, parts[at] + parts[at + 1]);
    }
    return true;
  });
}
