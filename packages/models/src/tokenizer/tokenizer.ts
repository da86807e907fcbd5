import { checkOptions } from "@lowrank/core/internal";
import { type ModelFiles, readJson } from "@lowrank/files";
import { missingFile } from "@lowrank/files/internal";
import { type ChatMessage, type ChatTemplateOptions, readChatTemplate } from "./chatTemplate.ts";
import { type DecodeOptions, decodeKeys } from "./decodeOptions.ts";
import type { TextSpan } from "./generationSpans.ts";
import { TextPipeline } from "./textPipeline.ts";
import type { TokenizerJson } from "./tokenizerJson.ts";

/** The contents of a tokenizer's files, parsed. */
export interface TokenizerParts {
  tokenizerJson: object;
  tokenizerConfig?: object;
  chatTemplate?: string | null;
  /** The tokenizer's name in error messages. Default "the tokenizer". */
  label?: string;
}

/** Converts text to token ids and back, as specified by a Hugging Face `tokenizer.json`. */
export class Tokenizer {
  readonly label: string;
  readonly bosTokenId: number | null;
  readonly eosTokenId: number | null;
  readonly padTokenId: number | null;
  /** Number of different tokens, including added tokens. */
  readonly vocabSize: number;
  readonly chatTemplate: string | null;
  readonly #pipeline: TextPipeline;
  readonly #specialTokens: Partial<Record<SpecialTokenName, string>>;

  constructor({ tokenizerJson, tokenizerConfig = {}, chatTemplate = null, label = "the tokenizer" }: TokenizerParts) {
    this.label = label;
    this.chatTemplate = chatTemplate;
    this.#specialTokens = readSpecialTokens(tokenizerConfig, `tokenizer_config.json of ${label}`);
    this.#pipeline = make(tokenizerJson, tokenizerConfig, label);
    this.vocabSize = this.#pipeline.size;
    this.bosTokenId = this.#specialId("bos_token");
    this.eosTokenId = this.#specialId("eos_token");
    this.padTokenId = this.#specialId("pad_token");
  }

  /** Reads `tokenizer.json`, `tokenizer_config.json` and `chat_template.jinja`. Only the first is required. */
  static async fromFiles(files: ModelFiles): Promise<Tokenizer> {
    if (!(await files.has("tokenizer.json"))) throw await missingFile(files, "tokenizer.json");
    const tokenizerConfig = (await files.has("tokenizer_config.json"))
      ? await readJson(files, "tokenizer_config.json")
      : {};
    return Tokenizer.fromParts({
      tokenizerJson: (await readJson(files, "tokenizer.json")) as object,
      tokenizerConfig: tokenizerConfig as object,
      chatTemplate: await readChatTemplate(files),
      label: files.label,
    });
  }

  /**
   * Makes a tokenizer from the parsed contents of its files. Unlike the constructor, this method checks all fields. If
   * a field is missing or wrong, throws an error that names the file and the field.
   */
  static async fromParts(parts: TokenizerParts): Promise<Tokenizer> {
    const { checkTokenizer, checkTokenizerConfig } = await import("./checkTokenizer.ts");
    const { tokenizerJson, tokenizerConfig = {}, label = "the tokenizer" } = parts;
    checkTokenizer(tokenizerJson, `tokenizer.json of ${label}`);
    checkTokenizerConfig(tokenizerConfig, `tokenizer_config.json of ${label}`);
    return new Tokenizer(parts);
  }

  /**
   * Converts a text to ids. Special tokens in the text are recognised. `addSpecialTokens` adds special tokens around
   * the text, such as BOS. Default true.
   */
  encode(text: string, options: { addSpecialTokens?: boolean } = {}): number[] {
    checkOptions("encode", options, { addSpecialTokens: true });
    if (typeof text !== "string") {
      throw new Error(
        `encode: it takes one text, and ${typeof text} was given; for several texts write texts.map((t) => tokenizer.encode(t))`,
      );
    }
    return this.#pipeline.encode(text, options.addSpecialTokens ?? true);
  }

  /** Converts ids to text. Invalid UTF-8 becomes U+FFFD. */
  decode(ids: ArrayLike<number>, options: DecodeOptions = {}): string {
    checkOptions("decode", options, decodeKeys);
    if (typeof ids?.length !== "number" || typeof ids === "string") {
      throw new Error(
        `decode: it takes a list of token ids, and ${typeof ids} was given; for a tensor t give await t.data()`,
      );
    }
    const list = Array.from(ids);
    if (list.length === 0) return "";
    const bad = list.find((id) => !this.#pipeline.has(id));
    if (bad !== undefined) {
      throw new Error(`${this.label}: ${bad} is not a token id; there are ids from 0 to ${this.vocabSize - 1}`);
    }
    return this.#pipeline.decode(list, options.skipSpecialTokens ?? false);
  }

  /**
   * Returns the UTF-8 bytes that a token adds to a text when it is not the first token. The bytes may be only a part of
   * a character. For a special token, returns the bytes of its name.
   */
  tokenBytes(id: number): Uint8Array {
    const alone = this.decode([id]);
    // Decode the token twice: decoders may remove the space before the first word of a text, but not before the second.
    return this.#pipeline.rawBytes(id) ?? new TextEncoder().encode(this.decode([id, id]).slice(alone.length));
  }

  /** Returns the id of the token with this text in the vocabulary; null if there is none. */
  tokenId(token: string): number | null {
    return this.#pipeline.idOf(token) ?? null;
  }

  /**
   * Renders a conversation as text, with the chat template. Encode the text with `addSpecialTokens: false`, since
   * templates write special tokens themselves. Throws if the tokenizer has no chat template.
   */
  async applyChatTemplate(messages: readonly ChatMessage[], options: ChatTemplateOptions = {}): Promise<string> {
    checkOptions("applyChatTemplate", options, { addGenerationPrompt: true, variables: true });
    if (this.chatTemplate === null) {
      throw new Error(
        `${this.label} has no chat template: it is not a chat model, or its tokenizer_config.json is old`,
      );
    }
    const { renderChat } = await import("./renderChat.ts");
    const specialTokens = this.#specialTokens as Record<string, string>;
    return renderChat(this.chatTemplate, messages, specialTokens, options, this.label).text;
  }

  /**
   * Returns which parts of the text `applyChatTemplate(messages)` are written by the assistant, as ranges [start, end)
   * of string indices. Templates mark these parts with `{% generation %}`. Returns null if the template has no such
   * mark.
   */
  async generationSpans(messages: readonly ChatMessage[]): Promise<TextSpan[] | null> {
    if (this.chatTemplate === null || !/\{%-?\s*generation\b/.test(this.chatTemplate)) return null;
    const { findGenerationSpans } = await import("./generationSpans.ts");
    return findGenerationSpans(this.chatTemplate, messages, this.#specialTokens as Record<string, string>);
  }

  #specialId(name: SpecialTokenName): number | null {
    const token = this.#specialTokens[name];
    if (token === undefined) return null;
    const id = this.tokenId(token);
    if (id === null) throw new Error(`${this.label}: ${name} ${JSON.stringify(token)} is not in the vocabulary`);
    return id;
  }
}

/** Makes the tokenizer from the parsed files. If that fails, the error names the file. */
function make(tokenizerJson: object, config: object, label: string): TextPipeline {
  try {
    return new TextPipeline(tokenizerJson as TokenizerJson, config, label);
  } catch (error) {
    const why = error instanceof TypeError ? "a field is missing or of the wrong type" : (error as Error).message;
    throw new Error(`tokenizer.json of ${label} cannot be used: ${why}`, { cause: error });
  }
}

const names = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"] as const;

/** A key of a special token in `tokenizer_config.json`, such as "eos_token". */
type SpecialTokenName = (typeof names)[number];

/**
 * Reads the special tokens of a `tokenizer_config.json`. A token is a string, or an object with its text as `content`.
 */
function readSpecialTokens(config: unknown, where: string): Partial<Record<SpecialTokenName, string>> {
  const found: Partial<Record<SpecialTokenName, string>> = {};
  for (const name of names) {
    const value = (config as Record<string, unknown>)[name];
    if (value === undefined || value === null) continue;
    const text = typeof value === "string" ? value : (value as { content?: unknown }).content;
    if (typeof text !== "string") {
      throw new Error(`${where}: ${name} is ${JSON.stringify(value)}; expected a string or an object with "content"`);
    }
    found[name] = text;
  }
  return found;
}
