import { byteOfToken, lettersToBytes } from "./byteLetters.ts";
import { Growth } from "./growth.ts";
import { type PatternJson, patternOf } from "./pattern.ts";

/** Converts tokens to pieces of text. Throws `TextGrowthError` if the pieces become much longer than the tokens. */
export type Decoder = (tokens: readonly string[], growth?: Growth) => readonly string[];

const growthOf = (tokens: readonly string[]): Growth =>
  new Growth(tokens.reduce((sum, token) => sum + token.length, 0));

/** A decoder in `tokenizer.json`, with the fields of all decoder types. */
export interface DecoderJson {
  readonly type: string;
  readonly decoders?: readonly DecoderJson[];
  readonly pattern?: PatternJson;
  readonly content?: string;
  readonly start?: number;
  readonly stop?: number;
  readonly prefix?: string;
  readonly suffix?: string;
  readonly cleanup?: boolean;
  readonly replacement?: string;
  readonly prepend_scheme?: string;
  readonly pad_token?: string;
  readonly word_delimiter_token?: string;
}

const makers: Readonly<Record<string, (json: DecoderJson) => Decoder>> = {
  ByteLevel: () => byteLevel,
  WordPiece: wordPiece,
  Metaspace: ({ replacement = "▁", prepend_scheme }) => {
    const first = prepend_scheme === "never" ? " " : "";
    return (tokens, growth = growthOf(tokens)) =>
      tokens.map((token, i) => token.replaceAll(replacement, growth.replacing(i === 0 ? first : " ")));
  },
  BPEDecoder: ({ suffix = "</w>" }) => {
    return (tokens, growth = growthOf(tokens)) =>
      tokens.map((token, i) => token.replaceAll(suffix, growth.replacing(i === tokens.length - 1 ? "" : " ")));
  },
  CTC: ctc,
  Sequence: ({ decoders = [] }) => {
    const parts = decoders.map(decoderOf);
    return (tokens, growth = growthOf(tokens)) => parts.reduce((before, part) => part(before, growth), tokens);
  },
  Replace: ({ pattern = {}, content = "" }) => {
    const expression = patternOf(pattern);
    return (tokens, growth = growthOf(tokens)) =>
      tokens.map((token) => token.replaceAll(expression, growth.replacing(content)));
  },
  Fuse: () => (tokens) => [tokens.join("")],
  Strip: strip,
  ByteFallback: () => byteFallback,
};

/** Makes the decoder of a `tokenizer.json`. If `json` is null, tokens are joined with spaces. */
export function decoderOf(json: DecoderJson | null): Decoder {
  if (json === null) return (tokens) => [tokens.join(" ")];
  const make = makers[json.type];
  if (!make) throw new Error(`decoder ${JSON.stringify(json.type)} is unknown`);
  return make(json);
}

/** Removes spaces before punctuation and English contractions, for `clean_up_tokenization_spaces`. */
export const cleanUpSpaces = (text: string): string => cleanUpWords(text, " n't|n't| 'm|'m| 's|'s| 've|'ve| 're|'re");

function cleanUpWords(text: string, pairs: string): string {
  let clean = text;
  for (const sign of [".", "?", "!", ","]) clean = clean.replaceAll(` ${sign}`, sign);
  clean = clean.replaceAll(" ' ", "'");
  const words = pairs.split("|");
  for (let i = 0; i < words.length; i += 2) clean = clean.replaceAll(words[i], words[i + 1]);
  return clean;
}

/** The clean-up of the Rust library's decoders, which also changes " do not" to " don't". */
const cleanUpToken = (token: string): string =>
  cleanUpWords(token, " n't|n't| 'm|'m| do not| don't| 's|'s| 've|'ve| 're|'re");

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
const strictUtf8 = new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });
const encoder = new TextEncoder();

/** Decodes byte-level tokens to one text. A token with a character that represents no byte is used as plain text. */
function byteLevel(tokens: readonly string[]): string[] {
  const parts = tokens.map((token) => lettersToBytes(token) ?? encoder.encode(token));
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return [utf8.decode(bytes)];
}

/**
 * Decodes each run of byte tokens, such as `<0x0A>`, as UTF-8; other tokens are kept. If a run is invalid UTF-8, each
 * of its bytes becomes U+FFFD.
 */
function byteFallback(tokens: readonly string[]): string[] {
  const texts: string[] = [];
  let run: number[] = [];
  const endRun = () => {
    if (run.length === 0) return;
    try {
      texts.push(strictUtf8.decode(Uint8Array.from(run)));
    } catch {
      texts.push(...run.map(() => "\uFFFD"));
    }
    run = [];
  };
  for (const token of tokens) {
    const byte = byteOfToken(token);
    if (byte !== undefined) {
      run.push(byte);
      continue;
    }
    endRun();
    texts.push(token);
  }
  endRun();
  return texts;
}

function wordPiece({ prefix = "##", cleanup = true }: DecoderJson): Decoder {
  const join = (token: string, i: number) => {
    if (i === 0) return token;
    return token.startsWith(prefix) ? token.slice(prefix.length) : ` ${token}`;
  };
  return (tokens) => tokens.map((token, i) => (cleanup ? cleanUpToken(join(token, i)) : join(token, i)));
}

function ctc({ pad_token: pad = "<pad>", word_delimiter_token: space = "|", cleanup = true }: DecoderJson): Decoder {
  return (tokens, growth = growthOf(tokens)) =>
    tokens.flatMap((token, i) => {
      if (token === tokens[i - 1]) return [];
      const padless = token.replaceAll(pad, "");
      const text = cleanup ? cleanUpToken(padless).replaceAll(space, growth.replacing(" ")) : padless;
      return text === "" ? [] : [text];
    });
}

function strip({ content = " ", start = 0, stop = 0 }: DecoderJson): Decoder {
  return (tokens) =>
    tokens.map((token) => {
      const characters = Array.from(token);
      let from = 0;
      while (from < start && characters[from] === content) from++;
      let to = characters.length;
      while (to > from && characters.length - to < stop && characters[to - 1] === content) to--;
      return characters.slice(from, to).join("");
    });
}
