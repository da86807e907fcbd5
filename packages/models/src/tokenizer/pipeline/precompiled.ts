const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const encoder = new TextEncoder();

/** Maximum size of a grapheme in bytes that is replaced as a whole; longer ones are replaced character by character. */
const longestGrapheme = 5;

/**
 * Returns the normalizer for SentencePiece's `precompiled_charsmap` (base64). Its bytes are the size of a trie (4
 * bytes), the trie as a double array (Darts), and the replacement texts, zero-terminated, to which the trie's values
 * are offsets.
 */
export function precompiled(charsmap: string | null | undefined): (text: string) => string {
  if (!charsmap) return (text) => text;
  const bytes = Uint8Array.from(atob(charsmap), (character) => character.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  const size = bytes.length < 4 ? -1 : view.getUint32(0, true);
  if (size < 4 || size % 4 !== 0 || 4 + size > bytes.length) {
    throw new Error(
      `normalizer Precompiled: precompiled_charsmap is damaged: its header states a table of ${size} bytes, but it has ${bytes.length} bytes`,
    );
  }
  const units = Uint32Array.from({ length: size / 4 }, (_, i) => view.getUint32(4 + 4 * i, true));
  const texts = bytes.subarray(4 + size);
  const known = new Map<string, string | undefined>();
  const replacement = (part: string): string | undefined => {
    if (known.has(part)) return known.get(part);
    const at = shortestPrefix(units, encoder.encode(part));
    const text = at === undefined ? undefined : decoder.decode(texts.subarray(at, texts.indexOf(0, at)));
    if (known.size < 10_000) known.set(part, text);
    return text;
  };
  const graphemes = new Intl.Segmenter("en", { granularity: "grapheme" });
  return (text) => {
    const parts: string[] = [];
    for (const { segment } of graphemes.segment(text)) {
      const whole = encoder.encode(segment).length <= longestGrapheme ? replacement(segment) : undefined;
      if (whole !== undefined) parts.push(whole);
      else for (const character of segment) parts.push(replacement(character) ?? character);
    }
    return parts.join("");
  };
}

/** Returns the value of the shortest key in the trie with which `bytes` begins; undefined if there is none. */
function shortestPrefix(units: Uint32Array, bytes: Uint8Array): number | undefined {
  const offset = (unit: number) => (unit >>> 10) << ((unit & 0x200) >>> 6);
  let at = offset(units[0]);
  for (const byte of bytes) {
    if (byte === 0) return undefined;
    at ^= byte;
    const unit = units[at];
    if (unit === undefined || (unit & 0x800000ff) >>> 0 !== byte) return undefined;
    at ^= offset(unit);
    if (unit & 0x100) return units[at] & 0x7fffffff;
  }
  return undefined;
}
