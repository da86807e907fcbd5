import type { EncodingParts } from "./encodeIds.ts";
import { type AddedToken, AddedTokenSplitter } from "./pipeline/addedTokens.ts";
import type { DecoderJson } from "./pipeline/decoders.ts";
import { type Normalizer, type NormalizerJson, normalizerOf } from "./pipeline/normalizers.ts";
import { frameOf, type PostProcessorJson } from "./pipeline/postProcessors.ts";
import { type PreTokenizerJson, preTokenizerOf } from "./pipeline/preTokenizers.ts";
import { modelOf } from "./pipeline/tokenModels/models.ts";
import type { ModelJson } from "./pipeline/tokenModels/tokenModel.ts";

/** The contents of a `tokenizer.json`. */
export interface TokenizerJson {
  readonly added_tokens?: readonly AddedToken[];
  readonly normalizer: NormalizerJson | null;
  readonly pre_tokenizer: PreTokenizerJson | null;
  readonly model: ModelJson;
  readonly post_processor: PostProcessorJson | null;
  readonly decoder: DecoderJson | null;
}

/** Returns true if an added token is searched for in the normalized text, false if in the raw text. */
const isNormalized = ({ normalized, special }: AddedToken): boolean => normalized ?? !special;

/**
 * Returns the text that an added token matches in the input: its content, normalized if the token is searched for in
 * normalized text. The decoder receives the same text for this token.
 */
export const matchedText = (token: AddedToken, normalizer: Normalizer): string =>
  isNormalized(token) ? normalizer.normalize(token.content) : token.content;

/**
 * Returns the steps that convert a text to token ids (such as normalizer, pre-tokenizer and model), as a
 * `tokenizer.json` specifies them.
 */
export function encodingParts(json: TokenizerJson): EncodingParts {
  const added = json.added_tokens ?? [];
  const model = modelOf(json.model);
  const normalizer = normalizerOf(json.normalizer);
  const splitter = (tokens: readonly AddedToken[]) =>
    new AddedTokenSplitter(tokens.map((token) => [matchedText(token, normalizer), token]));
  return {
    rawTokens: splitter(added.filter((token) => !isNormalized(token))),
    normalizer,
    normalizedTokens: splitter(added.filter(isNormalized)),
    preTokenizer: preTokenizerOf(json.pre_tokenizer),
    model,
    frame: frameOf(
      json.post_processor,
      (token) => added.find(({ content }) => content === token)?.id ?? model.ids.get(token),
    ),
  };
}
