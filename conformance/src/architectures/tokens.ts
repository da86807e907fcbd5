/**
 * Settings that all small models share: special tokens, and weights ten times as large as usual,
 * for logits of order one.
 */
export const tokens = { initializer_range: 0.2, pad_token_id: 0, bos_token_id: 1, eos_token_id: 2 };
