/** The first tokens of all tokenizers here, with the ids in `tinySizes`. */
const special = ["<pad>", "<s>", "</s>", "<unk>"];
const letters = [..."abcdefghijklmnopqrstuvwxyz"];
const added = special.map((content, id) => ({
  ...{ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true },
}));
const around = (sequence: string) => [
  { SpecialToken: { id: "<s>", type_id: 0 } },
  { Sequence: { id: sequence, type_id: 0 } },
];
const template = {
  type: "TemplateProcessing",
  single: around("A"),
  pair: [...around("A"), { Sequence: { id: "B", type_id: 1 } }],
  special_tokens: { "<s>": { id: "<s>", ids: [1], tokens: ["<s>"] } },
};
const idsOf = (tokens: readonly string[]) => Object.fromEntries(tokens.map((token, id) => [token, id]));
const whole = (parts: object) => ({
  ...{ version: "1.0", truncation: null, padding: null, added_tokens: added, normalizer: null },
  ...{ post_processor: template },
  ...parts,
});

/** Small `tokenizer.json` files of the common kinds, with at most 64 tokens, by name. */
export const tokenizerJsons: Readonly<Record<string, object>> = {
  byteLevel: whole({
    pre_tokenizer: {
      type: "Sequence",
      pretokenizers: [
        {
          type: "Split",
          pattern: { Regex: "'s|'t| ?\\p{L}+| ?\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+" },
          behavior: "Isolated",
          invert: false,
        },
        { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false },
      ],
    },
    decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      ...{ type: "BPE", dropout: null, unk_token: "<unk>", continuing_subword_prefix: "", end_of_word_suffix: "" },
      ...{ fuse_unk: false, byte_fallback: false, ignore_merges: false },
      vocab: idsOf([...special, ...letters, "\u0120", "he", "ll", "hell", "hello", "\u0120w"]),
      merges: ["h e", "l l", "he ll", "hell o", "\u0120 w"],
    },
  }),
  sentencePiece: whole({
    normalizer: {
      type: "Sequence",
      normalizers: [
        { type: "Prepend", prepend: "\u2581" },
        { type: "Replace", pattern: { String: " " }, content: "\u2581" },
      ],
    },
    pre_tokenizer: null,
    decoder: {
      type: "Sequence",
      decoders: [
        { type: "Replace", pattern: { String: "\u2581" }, content: " " },
        { type: "ByteFallback" },
        { type: "Fuse" },
        { type: "Strip", content: " ", start: 1, stop: 0 },
      ],
    },
    model: {
      ...{ type: "BPE", dropout: null, unk_token: "<unk>", continuing_subword_prefix: null, end_of_word_suffix: null },
      ...{ fuse_unk: true, byte_fallback: true, ignore_merges: false },
      vocab: idsOf([...special, "<0x21>", ...letters, "\u2581", "he", "ll", "hell", "\u2581w"]),
      merges: [
        ["h", "e"],
        ["l", "l"],
        ["he", "ll"],
        ["\u2581", "w"],
      ],
    },
  }),
  wordPiece: whole({
    normalizer: {
      type: "BertNormalizer",
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: null,
      lowercase: true,
    },
    pre_tokenizer: { type: "BertPreTokenizer" },
    decoder: { type: "WordPiece", prefix: "##", cleanup: true },
    model: {
      ...{ type: "WordPiece", unk_token: "<unk>", continuing_subword_prefix: "##", max_input_chars_per_word: 100 },
      vocab: idsOf([...special, ...letters, "hello", "wor", "##ld", "##l", "##o"]),
    },
  }),
  unigram: whole({
    normalizer: { type: "Sequence", normalizers: [{ type: "NFKC" }, { type: "Lowercase" }] },
    pre_tokenizer: { type: "Metaspace", replacement: "\u2581", add_prefix_space: true, prepend_scheme: "always" },
    decoder: { type: "Metaspace", replacement: "\u2581", add_prefix_space: true, prepend_scheme: "always" },
    model: {
      type: "Unigram",
      unk_id: 3,
      vocab: [...special, ...letters, "\u2581", "\u2581hello", "\u2581wor", "ld"].map((token, i) => [token, -i / 8]),
    },
  }),
};

/** A `tokenizer_config.json` with additional fields `more`. */
export const tokenizerConfig = (more: object = {}): object => ({
  ...{ tokenizer_class: "PreTrainedTokenizerFast", model_max_length: 32, clean_up_tokenization_spaces: false },
  ...{ bos_token: "<s>", eos_token: { content: "</s>", lstrip: false }, pad_token: "<pad>", unk_token: "<unk>" },
  ...more,
});

/** A typical chat template. */
export const chatTemplate = `{%- if messages[0]['role'] == 'system' %}{% set system = messages[0]['content'] | trim %}{% set messages = messages[1:] %}{%- else %}{% set system = '' %}{%- endif %}
{%- macro turn(role, text) %}{{ role ~ ' ' + text }}{% endmacro %}
{%- set ns = namespace(count=0) %}
{%- for message in messages %}
{%- if message.role not in ['user', 'assistant'] %}{{ raise_exception('only user and assistant') }}{% endif %}
{%- set ns.count = ns.count + 1 %}
{{- bos_token if loop.first else '' }}{{ turn(message['role'], message.content) }}{{ eos_token }}
{%- endfor %}
{%- if add_generation_prompt %}{{ 'assistant ' }}{% endif %}`;
