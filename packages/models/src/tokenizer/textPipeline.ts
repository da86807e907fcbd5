import { type EncodeIds, encoderOf } from "./encodeIds.ts";
import { byteOfToken, lettersToBytes } from "./pipeline/byteLetters.ts";
import { cleanUpSpaces, type Decoder, type DecoderJson, decoderOf } from "./pipeline/decoders.ts";
import { modelType } from "./pipeline/tokenModels/models.ts";
import { UnknownTextError } from "./pipeline/tokenModels/tokenModel.ts";
import { encodingParts, matchedText, type TokenizerJson } from "./tokenizerJson.ts";

/** The fields of a `tokenizer_config.json` that affect decoding. */
export interface TokenizerConfigJson {
  readonly clean_up_tokenization_spaces?: boolean;
  /** Additional special tokens, as a list, or as an object with their names as keys. */
  readonly additional_special_tokens?: object | null;
}

/** The tokenizer of a `tokenizer.json`. Its ids and texts are equal to the results of Python's `tokenizers`. */
export class TextPipeline {
  /** The id of each token, including added tokens. */
  readonly #ids: ReadonlyMap<string, number>;
  /**
   * The decoder's input text for each token, by token id. For an added token that is matched in normalized text, this
   * is the token's normalized content.
   */
  readonly #decoded = new Map<number, string>();
  readonly #special: ReadonlySet<string>;
  readonly #encode: EncodeIds;
  readonly #decoder: Decoder;
  readonly #writesLetters: boolean;
  readonly #writesBytes: boolean;
  readonly #cleansUp: boolean;
  readonly #label: string;
  /**
   * Name of the `tokenizer.json` field that sets the unknown token: "unk_id" or "unk_token". Used in error messages.
   */
  readonly #unknownKey: string;

  constructor(json: TokenizerJson, config: TokenizerConfigJson, label: string) {
    this.#label = label;
    const parts = encodingParts(json);
    const added = json.added_tokens ?? [];
    this.#encode = encoderOf(parts);
    this.#ids = new Map([...parts.model.ids, ...added.map(({ content, id }) => [content, id] as const)]);
    for (const [token, id] of parts.model.ids) this.#decoded.set(id, token);
    for (const token of added) this.#decoded.set(token.id, matchedText(token, parts.normalizer));
    this.#special = new Set([
      ...added.flatMap(({ special, content }) => (special ? [content] : [])),
      ...Object.values(config.additional_special_tokens ?? {}).map((token) => token?.content ?? token),
    ]);
    this.#decoder = decoderOf(json.decoder);
    const decoders = decoderTypes(json.decoder);
    this.#writesLetters = decoders.includes("ByteLevel");
    this.#writesBytes = decoders.includes("ByteFallback");
    this.#cleansUp = config.clean_up_tokenization_spaces === true;
    this.#unknownKey = modelType(json.model) === "Unigram" ? "unk_id" : "unk_token";
  }

  /** Number of different tokens, including added tokens. */
  get size(): number {
    return this.#ids.size;
  }

  /** Returns the id of the token with this text; undefined if there is none. */
  idOf(token: string): number | undefined {
    return this.#ids.get(token);
  }

  has(id: number): boolean {
    return this.#decoded.has(id);
  }

  encode(text: string, addSpecialTokens: boolean): number[] {
    try {
      return this.#encode(text, addSpecialTokens);
    } catch (error) {
      if (!(error instanceof UnknownTextError)) throw error;
      throw new Error(
        `tokenizer.json of ${this.#label}: ${error.message}; set ${this.#unknownKey} to a token of the vocabulary`,
      );
    }
  }

  decode(ids: readonly number[], skipSpecialTokens: boolean): string {
    const tokens = ids.map((id) => this.#decoded.get(id) ?? "");
    const kept = skipSpecialTokens ? tokens.filter((token) => !this.#special.has(token)) : tokens;
    const text = this.#decoder(kept).join("");
    return this.#cleansUp ? cleanUpSpaces(text) : text;
  }

  /**
   * Returns the raw bytes of a byte-level token or of a byte token such as `<0x0A>`. Returns undefined for other
   * tokens.
   */
  rawBytes(id: number): Uint8Array | undefined {
    const token = this.#decoded.get(id) ?? "";
    const byte = this.#writesBytes ? byteOfToken(token) : undefined;
    const bytes = this.#writesLetters ? lettersToBytes(token) : undefined;
    if (bytes) return Uint8Array.from(bytes);
    return byte === undefined ? undefined : Uint8Array.of(byte);
  }
}

const decoderTypes = (json: DecoderJson | null): string[] =>
  json === null ? [] : [json.type, ...(json.decoders ?? []).flatMap(decoderTypes)];
