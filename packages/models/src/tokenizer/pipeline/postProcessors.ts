/**
 * The ids of an encoded text with its special tokens, in order. "text" is a placeholder for the ids of the text itself.
 */
export type Frame = readonly (number | "text")[];

type Piece = { readonly SpecialToken: { readonly id: string } } | { readonly Sequence: { readonly id: string } };

/** A post-processor in `tokenizer.json`, with the fields of all post-processor types. */
export interface PostProcessorJson {
  readonly type: string;
  readonly processors?: readonly PostProcessorJson[];
  readonly single?: readonly Piece[];
  readonly special_tokens?: Readonly<Record<string, { readonly ids: readonly number[] }>>;
  readonly sep?: readonly [string, number];
  readonly cls?: readonly [string, number];
}

/**
 * Returns the ids that a post-processor adds around a text. A template lists the ids of its special tokens in
 * `special_tokens`. If a token is missing there, `idOf` returns its id; throws if this is undefined.
 */
export function frameOf(json: PostProcessorJson | null, idOf: (token: string) => number | undefined): Frame {
  switch (json?.type) {
    case undefined:
    case "ByteLevel":
      return ["text"];
    case "BertProcessing":
    case "RobertaProcessing":
      return [json!.cls![1], "text", json!.sep![1]];
    case "Sequence":
      return (json?.processors ?? []).reduce<Frame>(
        (frame, inner) => frameOf(inner, idOf).flatMap((item) => (item === "text" ? frame : item)),
        ["text"],
      );
    case "TemplateProcessing":
      return (json?.single ?? []).flatMap<number | "text">((piece) => {
        if ("Sequence" in piece) return "text";
        const { id: token } = piece.SpecialToken;
        const ids = json?.special_tokens?.[token]?.ids ?? [idOf(token)];
        if (ids.every((id) => id !== undefined)) return ids as readonly number[];
        throw new Error(
          `post_processor names ${JSON.stringify(token)}, and neither its special_tokens nor the vocabulary has it`,
        );
      });
    default:
      throw new Error(`post_processor ${JSON.stringify(json?.type)} is unknown`);
  }
}
