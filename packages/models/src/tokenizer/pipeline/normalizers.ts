import { bytesToLetters } from "./byteLetters.ts";
import {
  combiningMarks,
  controls,
  ideographs,
  nonspacingMarks,
  normalizationForm,
  otherCharacters,
  space,
} from "./codePoints.ts";
import { Growth } from "./growth.ts";
import { type PatternJson, patternOf } from "./pattern.ts";

/** Changes a text before it is split into words. */
export interface Normalizer {
  /** Throws `TextGrowthError` if the text becomes much longer. */
  normalize(text: string, growth?: Growth): string;
  /** Returns true if normalizing removes characters from the start of the text, such as leading white space. */
  removesStart(text: string): boolean;
}

/** A normalizer in `tokenizer.json`, with the fields of all normalizer types. */
export interface NormalizerJson {
  readonly type: string;
  readonly normalizers?: readonly NormalizerJson[];
  readonly clean_text?: boolean;
  readonly handle_chinese_chars?: boolean;
  readonly strip_accents?: boolean | null;
  readonly lowercase?: boolean;
  readonly strip_left?: boolean;
  readonly strip_right?: boolean;
  readonly prepend?: string;
  readonly pattern?: PatternJson;
  readonly content?: string;
  readonly precompiled_charsmap?: string | null;
}

const spaces = new RegExp(space, "gu");
const spacesBefore = new RegExp(`^${space}+`, "u");
const spacesAfter = new RegExp(`(?<!${space})${space}+$`, "u");
const nmtSpaces = /[\t\n\f\r\u1680\u200B-\u200F\u2028\u2029\u2581\uFEFF\uFFFD]/g;

/** Returns the text in lower case. Unlike `toLowerCase` alone, never makes a final sigma at the end of a word. */
const lowercase = (text: string): string => text.replaceAll("Σ", "σ").toLowerCase();

const form = (name: string) => (): Normalizer => keepsStart((text) => normalizationForm(text, name));
const makers: Readonly<Record<string, (json: NormalizerJson) => Normalizer>> = {
  BertNormalizer: bert,
  Precompiled: ({ precompiled_charsmap }) => keepsStart(precompiled(precompiled_charsmap)),
  Sequence: ({ normalizers = [] }) => sequence(normalizers.map(normalizerOf)),
  Replace: ({ pattern = {}, content = "" }) => replace(pattern, content),
  NFC: form("NFC"),
  NFD: form("NFD"),
  NFKC: form("NFKC"),
  NFKD: form("NFKD"),
  Strip: ({ strip_left, strip_right }) =>
    sequence([...(strip_left ? [removing(spacesBefore)] : []), ...(strip_right ? [removing(spacesAfter)] : [])]),
  StripAccents: () => removing(combiningMarks),
  Lowercase: () => keepsStart(lowercase),
  Prepend: ({ prepend = "" }) => keepsStart((text) => (text === "" ? "" : prepend + text)),
  Nmt: () => sequence([removing(controls), keepsStart((text) => text.replaceAll(nmtSpaces, " "))]),
  ByteLevel: () => keepsStart(bytesToLetters),
};

/** Makes the normalizer of a `tokenizer.json`; null leaves texts unchanged. */
export function normalizerOf(json: NormalizerJson | null): Normalizer {
  if (json === null) return sequence([]);
  const make = makers[json.type];
  if (!make) throw new Error(`normalizer ${JSON.stringify(json.type)} is unknown`);
  return make(json);
}

const keepsStart = (change: (text: string) => string): Normalizer => ({
  normalize: (text, growth = new Growth(text.length)) => {
    const changed = change(text);
    growth.add(changed.length - text.length);
    return changed;
  },
  removesStart: () => false,
});

function removing(pattern: RegExp): Normalizer {
  return {
    normalize: (text) => text.replace(pattern, ""),
    removesStart: (text) => text.search(pattern) === 0,
  };
}

function sequence(parts: readonly Normalizer[]): Normalizer {
  return {
    normalize: (text, growth = new Growth(text.length)) =>
      parts.reduce((before, part) => part.normalize(before, growth), text),
    removesStart: (text) => {
      const growth = new Growth(text.length);
      let before = text;
      return parts.some((part) => {
        const removes = part.removesStart(before);
        before = part.normalize(before, growth);
        return removes;
      });
    },
  };
}

function bert({ clean_text, handle_chinese_chars, strip_accents, lowercase: lower }: NormalizerJson): Normalizer {
  const parts: Normalizer[] = [];
  if (clean_text)
    parts.push(
      removing(otherCharacters),
      keepsStart((text) => text.replaceAll(spaces, " ")),
    );
  if (handle_chinese_chars) parts.push(keepsStart((text) => text.replaceAll(ideographs, " $& ")));
  if (strip_accents ?? lower)
    parts.push(
      keepsStart((text) => normalizationForm(text, "NFD")),
      removing(nonspacingMarks),
    );
  if (lower) parts.push(keepsStart(lowercase));
  return sequence(parts);
}

/** Length, in UTF-16 code units, of the pieces in which `replace` processes a long text. */
const piece = 65_536;

/**
 * Returns a normalizer that replaces all matches of a pattern. If the pattern is a single character, such as a space, a
 * long text is processed in pieces. Processed at once, a text of 10 MB would take 130 MB, because V8 stores the result
 * as a tree of parts.
 */
function replace(pattern: PatternJson, content: string): Normalizer {
  const expression = patternOf(pattern);
  const character = pattern.String;
  const inPieces = character !== undefined && /^[^\uD800-\uDFFF]$/.test(character);
  return {
    normalize: (text, growth = new Growth(text.length)) => {
      if (!inPieces || text.length <= piece) return text.replaceAll(expression, growth.replacing(content));
      const pieces: string[] = [];
      for (let at = 0; at < text.length; at += piece) {
        const parts = text.slice(at, at + piece).split(character);
        growth.add((parts.length - 1) * (content.length - 1));
        pieces.push(parts.join(content));
      }
      return pieces.join("");
    },
    // As in the Rust library, replacing several characters at the start counts as removing the start.
    removesStart: (text) => {
      const found = text.match(new RegExp(expression, "u"));
      if (found?.index !== 0 || found[0] === "") return false;
      return content === "" || [...found[0]].length > 1;
    },
  };
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const encoder = new TextEncoder();

/**
 * Maximum size, in UTF-8 bytes, of a grapheme that is replaced as a whole. Longer graphemes are replaced character by
 * character.
 */
const longestGrapheme = 5;

/**
 * Returns the normalizer for SentencePiece's `precompiled_charsmap` (base64). The decoded bytes are the size of a trie
 * in bytes (4 bytes), the trie as a double array (Darts), and zero-terminated replacement texts. A value in the trie is
 * the byte offset of a replacement text.
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

/** Returns the value of the shortest key in the trie that is a prefix of `bytes`; undefined if no key is. */
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
