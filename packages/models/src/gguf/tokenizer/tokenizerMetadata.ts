import type { GgufValue } from "../writeGguf.ts";
import { mergedLettersDifference } from "./mergedLetters.ts";
import { type PreTokenizer, preTokenizers } from "./preTokenizers.ts";
import { spmScores } from "./spmScores.ts";

/** The fields of a tokenizer.json that are used here. */
export interface TokenizerJson {
  added_tokens?: { id: number; content: string; special?: boolean }[];
  normalizer?: Component | null;
  pre_tokenizer?: Component | null;
  post_processor?: Component | null;
  model: {
    type?: string;
    vocab: Record<string, number>;
    merges?: (string | [string, string])[];
    unk_token?: string | null;
    byte_fallback?: boolean;
    ignore_merges?: boolean;
  };
}

type Component = { type: string } & Record<string, unknown>;

/** A tokenizer as GGUF metadata. */
export interface TokenizerMetadata {
  metadata: Map<string, GgufValue>;
  /** The reason why llama.cpp may split some texts differently from the tokenizer.json; undefined if it never does. */
  differs: string | undefined;
}

/** Ids of special tokens, from tokenizer_config.json, else config.json; null for a token that neither sets. */
export interface SpecialTokenIds {
  bos: number | null;
  eos: number | null;
  unk: number | null;
  pad: number | null;
}

/** llama.cpp's token types, the values in `tokenizer.ggml.token_type`. */
const kinds = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

/**
 * Converts a tokenizer.json to llama.cpp's metadata. `vocabSize` is the number of rows of the embedding; ids without a
 * token become unused tokens. If the BPE has `byte_fallback`, `letters` becomes the value of `tokenizer.ggml.model`. If
 * llama.cpp's keys cannot express the tokenizer exactly, the tokenizer.json is also stored in full, under
 * `tokenizer.huggingface.json`. Throws for a tokenizer that is not a BPE.
 */
export function tokenizerMetadata(
  json: TokenizerJson,
  ids: SpecialTokenIds,
  vocabSize: number,
  where: string,
  letters: "llama" | "gemma4" = "llama",
): TokenizerMetadata {
  const { model } = json;
  if ((model.type ?? "BPE") !== "BPE" || !model.merges) {
    throw new Error(`tokenizer.json of ${where} is of type ${model.type}; only BPE can be written into a GGUF file`);
  }
  const tokens = tokensById(json, vocabSize, where);
  const merges = model.merges.map((pair) => (typeof pair === "string" ? pair.split(" ") : pair) as [string, string]);
  const name = model.byte_fallback ? letters : "gpt2";
  const kind = keysOf[name](json, tokens, merges);
  const wrapped = readTemplate(json, ids);
  const metadata = new Map<string, GgufValue>([
    ["tokenizer.ggml.model", { type: "string", value: name }],
    ["tokenizer.ggml.tokens", { type: "strings", value: tokens.map((token, id) => token ?? `[PAD${id}]`) }],
    ...kind.entries,
    ["tokenizer.ggml.token_type", { type: "i32s", value: tokenTypes(json, tokens) }],
  ]);
  for (const [name, id] of Object.entries({ bos: ids.bos, eos: ids.eos, unknown: ids.unk, padding: ids.pad })) {
    if (id !== null) metadata.set(`tokenizer.ggml.${name}_token_id`, { type: "u32", value: id });
  }
  metadata.set("tokenizer.ggml.add_bos_token", { type: "bool", value: wrapped.bos });
  metadata.set("tokenizer.ggml.add_eos_token", { type: "bool", value: wrapped.eos });
  const differs = kind.differs ?? wrapped.differs;
  if (differs) metadata.set("tokenizer.huggingface.json", { type: "string", value: JSON.stringify(json) });
  return { metadata, differs };
}

function tokensById(json: TokenizerJson, vocabSize: number, where: string): (string | undefined)[] {
  const tokens: (string | undefined)[] = Array.from({ length: vocabSize }, () => undefined);
  const all = [
    ...Object.entries(json.model.vocab),
    ...(json.added_tokens ?? []).map((t) => [t.content, t.id] as const),
  ];
  for (const [token, id] of all) {
    if (!Number.isSafeInteger(id) || id < 0 || id >= vocabSize) {
      throw new Error(
        `tokenizer.json of ${where}: ${JSON.stringify(token)} has the id ${id}; the model has ids from 0 to ${vocabSize - 1}`,
      );
    }
    tokens[id] = token;
  }
  return tokens;
}

function tokenTypes({ added_tokens: added = [], model }: TokenizerJson, tokens: (string | undefined)[]): number[] {
  const types: number[] = tokens.map((token) => {
    if (token === undefined) return kinds.unused;
    return model.byte_fallback && /^<0x[0-9A-F]{2}>$/.test(token) ? kinds.byte : kinds.normal;
  });
  for (const { id, special } of added) types[id] = special ? kinds.control : kinds.userDefined;
  const unknown = model.unk_token ? tokens.indexOf(model.unk_token) : -1;
  if (unknown >= 0) types[unknown] = kinds.unknown;
  return types;
}

interface Kind {
  entries: [string, GgufValue][];
  differs: string | undefined;
}

type KeysOf = (json: TokenizerJson, tokens: (string | undefined)[], merges: [string, string][]) => Kind;

/** For each `tokenizer.ggml.model`, the function that makes the metadata entries which depend on the model. */
const keysOf: Readonly<Record<"gpt2" | "llama" | "gemma4", KeysOf>> = {
  gpt2: (json, _tokens, merges) => byteLevelKeys(json, merges),
  llama: spmKeys,
  gemma4: mergedLettersKeys,
};

const text = (value: string): GgufValue => ({ type: "string", value });
const mergeList = (merges: [string, string][]): GgufValue => ({
  type: "strings",
  value: merges.map((pair) => pair.join(" ")),
});

/**
 * Makes the metadata entries for Gemma 4's BPE. In this BPE, U+2581 represents a space, and a character without a token
 * becomes byte tokens.
 */
function mergedLettersKeys(json: TokenizerJson, tokens: (string | undefined)[], merges: [string, string][]): Kind {
  return {
    entries: [
      ["tokenizer.ggml.merges", mergeList(merges)],
      ["tokenizer.ggml.add_space_prefix", { type: "bool", value: false }],
    ],
    differs: mergedLettersDifference(json, tokens, merges),
  };
}

/**
 * Makes the metadata entries for SentencePiece's BPE. In this BPE, U+2581 represents a space, and a character without a
 * token becomes byte tokens.
 */
function spmKeys(json: TokenizerJson, tokens: (string | undefined)[], merges: [string, string][]): Kind {
  const { scores, exact } = spmScores(
    tokens.map((token) => token ?? ""),
    merges,
  );
  const prefix = spacePrefix(json);
  return {
    entries: [
      ["tokenizer.ggml.pre", text("default")],
      ["tokenizer.ggml.scores", { type: "f32s", value: scores }],
      ["tokenizer.ggml.add_space_prefix", { type: "bool", value: prefix ?? true }],
    ],
    differs: exact
      ? prefix === undefined
        ? "its normalizer and pre-tokenizer are not SentencePiece's"
        : undefined
      : "its merges cannot be expressed by SentencePiece's scores",
  };
}

/**
 * Returns true if the tokenizer adds a space before a text, false if not. Returns undefined if the tokenizer treats
 * spaces differently from SentencePiece.
 */
function spacePrefix({ normalizer, pre_tokenizer: preTokenizer }: TokenizerJson): boolean | undefined {
  if (!normalizer && preTokenizer?.type === "Metaspace" && preTokenizer.split !== true) {
    const { prepend_scheme: scheme = preTokenizer.add_prefix_space === false ? "never" : "always" } = preTokenizer;
    return scheme !== "never";
  }
  const steps =
    normalizer?.type === "Sequence" ? (normalizer.normalizers as Component[]) : normalizer ? [normalizer] : [];
  const [first] = steps;
  const prefix = first?.type === "Prepend" && first.prepend === "▁";
  const [replace, ...more] = prefix ? steps.slice(1) : steps;
  const pattern = replace?.pattern as { String?: string } | undefined;
  const spaces = replace?.type === "Replace" && pattern?.String === " " && replace.content === "▁";
  return spaces && more.length === 0 && !preTokenizer ? prefix : undefined;
}

/** Makes the metadata entries for a byte-level BPE. The pre-tokenizer is stored as its name in llama.cpp. */
function byteLevelKeys(json: TokenizerJson, merges: [string, string][]): Kind {
  const wanted = comparable(json.pre_tokenizer);
  const [pre, known] = Object.entries(preTokenizers).find(([, other]) => comparable(other.json) === wanted) ?? [];
  return {
    entries: [
      ["tokenizer.ggml.pre", text(pre ?? "default")],
      ["tokenizer.ggml.merges", mergeList(merges)],
    ],
    differs: byteLevelDifference(json, known),
  };
}

function byteLevelDifference({ normalizer, model }: TokenizerJson, known: PreTokenizer | undefined) {
  if (!known) return "it splits texts in a way that llama.cpp does not support";
  if (normalizer) return `llama.cpp has no ${normalizer.type} normalizer`;
  return (model.ignore_merges ?? false) === known.ignoreMerges ? undefined : "its ignore_merges is not llama.cpp's";
}

/** The pattern for English contractions: as Hugging Face writes it, and the equivalent that llama.cpp uses. */
const endings = ["(?i:'s|'t|'re|'ve|'m|'ll|'d)", "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"] as const;

/**
 * Returns a pre-tokenizer as JSON that can be compared: with sorted keys, and without settings that do not affect the
 * result.
 */
function comparable(preTokenizer: unknown): string {
  return JSON.stringify(preTokenizer, (key, value) => {
    if (key === "Regex") return String(value).replace(...endings);
    if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
    const { trim_offsets: _, ...fields } = value.type === "ByteLevel" ? { use_regex: true, ...value } : value;
    return Object.fromEntries(Object.entries(fields).sort());
  });
}

/**
 * Reads the post-processor. `bos` is true if it adds BOS before a text, and `eos` if it adds EOS after a text.
 * `differs` is the reason why llama.cpp may add different special tokens; undefined if it adds the same ones.
 */
function readTemplate(
  { post_processor: post }: TokenizerJson,
  ids: SpecialTokenIds,
): { bos: boolean; eos: boolean; differs: string | undefined } {
  const steps = post?.type === "Sequence" ? (post.processors as Component[]) : post ? [post] : [];
  const template = steps.find(({ type }) => type === "TemplateProcessing");
  const other = steps.find(({ type }) => type !== "TemplateProcessing" && type !== "ByteLevel");
  type Piece = { SpecialToken?: { id: string }; Sequence?: object };
  const special = (template?.special_tokens ?? {}) as Record<string, { ids: number[] }>;
  const pieces = ((template?.single ?? [{ Sequence: {} }]) as Piece[]).map((piece) =>
    piece.SpecialToken ? special[piece.SpecialToken.id]?.ids.join() : "text",
  );
  const bos = ids.bos !== null && pieces[0] === String(ids.bos);
  const eos = ids.eos !== null && pieces.length > 1 && pieces.at(-1) === String(ids.eos);
  const plain = pieces.slice(bos ? 1 : 0, eos ? -1 : undefined).join() === "text";
  const differs = other
    ? `its post-processor is ${other.type}`
    : plain
      ? undefined
      : "its post-processor adds other tokens";
  return { bos, eos, differs };
}
