/**
 * White space as in Rust (`char::is_whitespace` and `\s`), for use between the brackets of a RegExp character class.
 */
export const space = "\\p{White_Space}";
/** Word characters as in Rust's `\w`, for use between the brackets of a RegExp character class. */
export const wordCharacter = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}";

// The Rust library uses the character tables of Unicode 8. These ranges, written in base 36, contain the code points
// that have a category only since a later version. A range may also contain unassigned code points.
const laterFormats = "1ow-1r6 1hvx-1ovz";
const laterNonspacingMarks =
  "1kt 1p3-1r5 1z2 262-267 28l 2dg-2f0 2kg 2m3-2m4 2o1 2wq 2xa 4r3-4ue 5a7-5bf 5x2-5x7 x7w xc5 xdr xj1 1h5w-1hmt " +
  "1htc-1htg 1hvm 1i2x 1i33 1i66-1i69 1id7 1igr-1ila 1jcf-1xrj 20jz 20o4 2jgg-2jie 2mtc-2o6t 2on8-2one";
const laterMarks =
  "1kt 1p3-1qr 1z2 262-267 28l 2dg-2f0 2k3-2kg 2m3-2m4 2o1 2wq 2xa 4k5 4r3 5a7-5bf 5pz 5x2-5x6 x7w xdr 1h5w-1hmt " +
  "1htc-1htg 1hvm 1hz9-1hza 1i2x 1i32-1i33 1i69 1id7 1igo-1ihu 1ila 1jcc-1jzb 1kc1-1xrj 20jz 20lb-20lj 20o4-20oh " +
  "2jgg-2jie 2mxb-2o6t";
const laterPunctuation =
  "17h 1z1-22e 2gn-2h0 5e6-5e7 5fh-5fj 94z-95p 1h7y-1hmx 1ihg-1il9 1izk-1j21 1jcr-1kvz 1o1d-1o1e 206l-20o2 2nzz-2onz";

const laterDecompositions = "a2n x69-x6c xux 1fpl-1g3e 1if7-1ih4 1jjs-2j21 2muo-2mwd 2q98 2sc0-2sc9";

/**
 * Converts code point ranges to text for use between the brackets of a RegExp character class. In `later`, the ranges
 * are separated by spaces and the code points are in base 36, such as "1ow-1r6".
 */
const ranges = (later: string): string =>
  later.replaceAll(/\w+/g, (code) => `\\u{${Number.parseInt(code, 36).toString(16)}}`).replaceAll(" ", "");

/**
 * Returns the source of a RegExp that matches one character of the class `characters`, except in the ranges `later`.
 * These ranges contain characters that were added to the class after Unicode 8, the version that the Rust library uses.
 */
const classWithout = (characters: string, later: string): string => `(?![${ranges(later)}])[${characters}]`;

const all = (source: string): RegExp => new RegExp(source, "gu");

/** Characters that BERT's normalizer removes: control and format characters, U+0000 and U+FFFD. */
export const otherCharacters: RegExp = all(
  `(?![\\t\\n\\r])[\\p{Cc}\\p{Co}]|${classWithout("\\p{Cf}", laterFormats)}|[\\0\\uFFFD]`,
);
/** Accents (nonspacing marks) that BERT's normalizer removes. */
export const nonspacingMarks: RegExp = all(classWithout("\\p{Mn}\\u1734\\u{1171e}", laterNonspacingMarks));
/** Accents (combining marks) that the normalizer `StripAccents` removes. */
export const combiningMarks: RegExp = all(classWithout("\\p{M}\\u1cf2\\u1cf3", laterMarks));
/** Punctuation: ASCII punctuation and the Unicode category P. */
export const punctuation: RegExp = all(classWithout("\\p{P}!-\\/:-@\\[-`{-~\\u166d\\u{111c9}", laterPunctuation));
/** Ideographs around which BERT's normalizer puts spaces. */
export const ideographs: RegExp =
  /[\u4E00-\u9FFF\u3400-\u4DBF\u{20000}-\u{2A6DF}\u{2A700}-\u{2B73F}\u{2B740}-\u{2B81F}\u{2B920}-\u{2CEAF}\uF900-\uFAFF\u{2F800}-\u{2FA1F}]/gu;
/** Control characters that the Nmt normalizer removes. */
export const controls: RegExp = all("(?![\\0\\t\\n\\f\\r\\x80-\\x8E\\x90-\\x9E])\\p{Cc}");

const withoutForms = new RegExp(`([${ranges(laterDecompositions)}])`, "u");

/**
 * Returns a text in a Unicode normalization form such as NFC. Characters that are newer than the Unicode version of the
 * Rust library are left unchanged.
 */
export function normalizationForm(text: string, form: string): string {
  if (!withoutForms.test(text)) return text.normalize(form);
  const parts = text.split(withoutForms);
  return parts.map((part, i) => (i % 2 === 0 ? part.normalize(form) : part)).join("");
}
