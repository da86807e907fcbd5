/** Returns a tokenizer.json for a byte-level BPE. `model` sets further fields of its model, such as merges. */
export function byteLevelJson(vocab: readonly string[], model: object = {}): object {
  return {
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, use_regex: true },
    post_processor: null,
    decoder: { type: "ByteLevel" },
    model: { type: "BPE", vocab: Object.fromEntries(vocab.map((token, id) => [token, id])), merges: [], ...model },
  };
}
