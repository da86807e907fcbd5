import { expressionCost } from "@lowrank/core/internal";
import { JsonFields } from "../config/jsonFields.ts";
import { splitBehaviors } from "./pipeline/splits.ts";
import { modelType } from "./pipeline/tokenModels/models.ts";
import type { ModelJson } from "./pipeline/tokenModels/tokenModel.ts";
import { type KnownParts, tokenizerParts, type ValueKind } from "./tokenizerParts.ts";

/**
 * Upper limit of token ids, which no real vocabulary reaches. It limits the size of tables that have an entry for each
 * id up to the highest.
 */
const endOfIds = 2 ** 24;

const isId = (id: unknown): boolean => Number.isSafeInteger(id) && (id as number) >= 0 && (id as number) < endOfIds;

/** Returns a field that is a token id. Throws if it is not one. */
function checkId(fields: JsonFields, key: string): number {
  const id = fields.raw(key);
  if (isId(id)) return id as number;
  throw fields.bad(key, `a token id from 0 to ${endOfIds - 1}`);
}

/** Throws if a field is not a string; with `optional` it may also be missing. */
function checkText(fields: JsonFields, key: string, optional = false): void {
  const value = fields.raw(key);
  if (typeof value === "string" || (optional && value === undefined)) return;
  throw fields.bad(key, "a text");
}

function listIn(fields: JsonFields, key: string): unknown[] {
  const value = fields.raw(key);
  if (Array.isArray(value)) return value;
  throw fields.bad(key, "a list");
}

/**
 * Throws if a `tokenizer.json` cannot be used, or could take very long to use. Reasons are unknown or incomplete parts,
 * invalid ids, and regular expressions without a limit on matching time. The error names the file and the field.
 */
export function checkTokenizer(json: unknown, where: string): void {
  const fields = new JsonFields(json, where);
  checkAddedTokens(fields);
  checkModel(fields.raw("model"), new JsonFields(fields.raw("model"), `${where}: model`));
  for (const [section, known] of Object.entries(tokenizerParts)) {
    if (fields.raw(section) === undefined && !fields.isNull(section)) {
      throw new Error(`${where}: ${section} is missing; set it to null if the tokenizer has none`);
    }
    checkPart(fields, section, known, 0);
  }
}

function checkAddedTokens(fields: JsonFields): void {
  for (const [i, token] of listIn(fields, "added_tokens").entries()) {
    const added = new JsonFields(token, `${fields.where}: added_tokens[${i}]`);
    checkId(added, "id");
    checkText(added, "content");
    if (added.raw("content") === "") throw added.bad("content", "a text that is not empty");
    for (const key of ["single_word", "lstrip", "rstrip", "special", "normalized"]) added.boolean(key, false);
  }
}

/** For each model type, a function that checks its vocabulary and the fields that it requires. */
const models: Readonly<Record<string, (model: JsonFields) => void>> = {
  BPE: (model) => {
    checkVocabulary(model);
    checkMerges(model);
    for (const key of ["unk_token", "continuing_subword_prefix", "end_of_word_suffix"]) checkText(model, key, true);
    for (const key of ["fuse_unk", "byte_fallback", "ignore_merges"]) model.boolean(key, false);
  },
  WordPiece: (model) => {
    checkVocabulary(model);
    checkText(model, "unk_token");
    checkText(model, "continuing_subword_prefix", true);
    model.integer("max_input_chars_per_word", 100);
  },
  Unigram: checkPieces,
  WordLevel: (model) => {
    checkVocabulary(model);
    checkText(model, "unk_token", true);
  },
};

function checkModel(json: unknown, model: JsonFields): void {
  const type = model.raw("type");
  // Older files do not name the type.
  if (type === undefined) {
    if (model.isNull("type") || typeof model.raw("vocab") !== "object")
      throw model.bad("type", Object.keys(models).join(", "));
  }
  models[type === undefined ? modelType(json as ModelJson) : model.oneOf("type", Object.keys(models))](model);
}

function checkVocabulary(model: JsonFields): void {
  const vocab = model.object("vocab");
  if (!vocab) throw model.bad("vocab", "an object of ids by tokens");
  for (const token of Object.keys(model.raw("vocab") as object)) checkId(vocab, token);
}

function checkMerges(model: JsonFields): void {
  const merges = listIn(model, "merges");
  const asPairs = Array.isArray(merges[0]);
  const isPair = (merge: unknown) =>
    asPairs
      ? Array.isArray(merge) && merge.length === 2 && merge.every((half) => typeof half === "string")
      : typeof merge === "string" && merge.includes(" ");
  const wrong = merges.findIndex((merge) => !isPair(merge));
  if (wrong < 0) return;
  const found = JSON.stringify(merges[wrong]).slice(0, 80);
  throw new Error(
    `${model.where}: merges[${wrong}] is ${found}; expected ${asPairs ? "two texts" : "two tokens and a space between"}`,
  );
}

function checkPieces(model: JsonFields): void {
  const pieces = listIn(model, "vocab");
  const isPiece = (piece: unknown) =>
    Array.isArray(piece) && piece.length === 2 && typeof piece[0] === "string" && Number.isFinite(piece[1]);
  const wrong = pieces.findIndex((piece) => !isPiece(piece));
  if (wrong >= 0 || pieces.length === 0) {
    const found = wrong < 0 ? "[]" : JSON.stringify(pieces[wrong]).slice(0, 80);
    throw new Error(`${model.where}: vocab${wrong < 0 ? "" : `[${wrong}]`} is ${found}; expected a text and its score`);
  }
  if (model.raw("unk_id") !== undefined && model.integer("unk_id", undefined, 0) >= pieces.length) {
    throw model.bad("unk_id", `an id below ${pieces.length}`);
  }
}

const fieldChecks: Readonly<Record<ValueKind, (fields: JsonFields, key: string) => void>> = {
  text: (fields, key) => checkText(fields, key),
  "text?": (fields, key) => checkText(fields, key, true),
  "behavior?": (fields, key) => {
    if (fields.raw(key) !== undefined) fields.oneOf(key, splitBehaviors);
  },
  "scheme?": (fields, key) => {
    if (fields.raw(key) !== undefined) fields.oneOf(key, ["always", "first", "never"]);
  },
  "boolean?": (fields, key) => void fields.boolean(key, false),
  "count?": (fields, key) => {
    if (fields.raw(key) !== undefined) fields.integer(key, undefined, 0);
  },
  length: (fields, key) => void fields.integer(key),
  pattern: checkPattern,
  token: (fields, key) => {
    const [text, id] = listIn(fields, key);
    if (typeof text !== "string" || !isId(id)) throw fields.bad(key, "a token and its id");
  },
  "templateIds?": (fields, key) => {
    const tokens = fields.object(key);
    for (const token of Object.keys(fields.raw(key) ?? {})) {
      const ids = tokens?.object(token)?.raw("ids");
      if (!Array.isArray(ids) || !ids.every(isId)) throw fields.bad(key, `a list of ids for ${JSON.stringify(token)}`);
    }
  },
  template: checkTemplate,
  "template?": (fields, key) => {
    if (fields.raw(key) !== undefined) checkTemplate(fields, key);
  },
};

/**
 * Maximum nesting depth of `Sequence` parts (such as a normalizer that contains other normalizers), and maximum number
 * of parts in one `Sequence`.
 */
const [deepest, mostParts] = [20, 100];

function checkPart(fields: JsonFields, key: string, known: KnownParts, depth: number): void {
  const part = fields.object(key);
  if (!part) return;
  if (depth > deepest) throw new Error(`${fields.where}: its Sequence parts are nested more than ${deepest} deep`);
  for (const [name, kind] of Object.entries(known[part.oneOf("type", Object.keys(known))])) {
    if (kind !== "parts") {
      fieldChecks[kind](part, name);
    } else {
      const items = listIn(part, name);
      if (items.length > mostParts) {
        throw new Error(`${part.where}: ${name} has ${items.length} parts; at most ${mostParts} are supported`);
      }
      const inner = new JsonFields({ ...items }, `${part.where}: ${name}`);
      for (const i of items.keys()) {
        if (inner.raw(String(i)) === undefined) throw inner.bad(String(i), "a part");
        checkPart(inner, String(i), known, depth + 1);
      }
    }
  }
}

function checkPattern(fields: JsonFields, key: string): void {
  const pattern = fields.object(key);
  if (!pattern) throw fields.bad(key, '{"String": ...} or {"Regex": ...}');
  const expression = pattern.raw("Regex");
  checkText(pattern, expression === undefined ? "String" : "Regex");
  const reason = expressionCost((expression as string | undefined) ?? "", true);
  if (reason) throw pattern.bad("Regex", `an expression that is matched in bounded time, and ${reason}`);
}

/** Maximum number of pieces in a post-processor's template. Real templates have a few. */
const mostPieces = 1000;

function checkTemplate(fields: JsonFields, key: string): void {
  const items = listIn(fields, key);
  if (items.length > mostPieces)
    throw new Error(`${fields.where}: ${key} has ${items.length} pieces, more than ${mostPieces}`);
  for (const [i, item] of items.entries()) {
    const piece = new JsonFields(item, `${fields.where}: ${key}[${i}]`);
    const named = piece.object("SpecialToken") ?? piece.object("Sequence");
    if (!named) throw new Error(`${piece.where}: expected a SpecialToken or a Sequence`);
    if (key === "single" && piece.object("Sequence")?.raw("id") === "B") {
      throw new Error(`${piece.where}: the template "single" names a second text, "B"`);
    }
    checkText(named, "id");
  }
}

/** Throws if a `tokenizer_config.json` cannot be used. The error names the file and the field. */
export function checkTokenizerConfig(json: unknown, where: string): void {
  const fields = new JsonFields(json, where);
  const more = fields.raw("additional_special_tokens") ?? [];
  // transformers 5 may write an object with the token's name as key.
  if (typeof more !== "object") throw fields.bad("additional_special_tokens", "a list of tokens");
  fields.boolean("clean_up_tokenization_spaces", false);
}
