/** A byte-pair vocabulary: every piece's id, and the merges in the order they were learned. */
export interface BytePairs {
  vocab: Record<string, number>;
  merges: [string, string][];
}

/** Returns the printable character that byte-level BPE (GPT-2, Radford et al. 2019) uses for each byte. */
export function byteCharacters(): string[] {
  const characters: string[] = [];
  let next = 256;
  for (let byte = 0; byte < 256; byte++) {
    const printable = (byte > 32 && byte < 127) || (byte > 160 && byte < 256 && byte !== 173);
    characters.push(String.fromCharCode(printable ? byte : next++));
  }
  return characters;
}

/**
 * Learns merges until the vocabulary has `size` entries: `special` first, then the 256 bytes, then merges, the most
 * frequent pair first, ties in string order. `counts` is the number of occurrences of each pre-tokenised piece of text.
 * Throws if no pairs are left before the vocabulary is full.
 */
export function trainBytePairs(
  counts: ReadonlyMap<string, number>,
  special: readonly string[],
  size: number,
): BytePairs {
  const characters = byteCharacters();
  const entries = [...special, ...characters];
  const merges: [string, string][] = [];
  const encoder = new TextEncoder();
  const words = [...counts].map(([piece, count]) => ({
    parts: Array.from(encoder.encode(piece), (byte) => characters[byte]),
    count,
  }));
  while (entries.length < size) {
    const best = mostFrequentPair(words);
    if (!best)
      throw new Error(`trainBytePairs: no pair left to merge at ${entries.length} entries: ask for at most that many`);
    merges.push(best);
    entries.push(best[0] + best[1]);
    for (const word of words) word.parts = mergePair(word.parts, best);
  }
  return { vocab: Object.fromEntries(entries.map((entry, id) => [entry, id])), merges };
}

function mostFrequentPair(words: readonly { parts: string[]; count: number }[]): [string, string] | undefined {
  const totals = new Map<string, number>();
  for (const { parts, count } of words) {
    for (let at = 1; at < parts.length; at++) {
      const key = `${parts[at - 1]} ${parts[at]}`;
      totals.set(key, (totals.get(key) ?? 0) + count);
    }
  }
  let best: string | undefined;
  for (const [key, total] of totals) {
    const record = best === undefined ? -1 : totals.get(best)!;
    if (total > record || (total === record && key < best!)) best = key;
  }
  return best === undefined ? undefined : (best.split(" ") as [string, string]);
}

function mergePair(parts: readonly string[], [left, right]: readonly [string, string]): string[] {
  const merged: string[] = [];
  for (let at = 0; at < parts.length; at++) {
    if (parts[at] === left && parts[at + 1] === right) {
      merged.push(left + right);
      at++;
    } else merged.push(parts[at]);
  }
  return merged;
}
