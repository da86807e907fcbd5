/**
 * Settings that all small models share: special tokens, and weights ten times the usual size, so that logits are of
 * order 1.
 */
export const tokens = { initializer_range: 0.2, pad_token_id: 0, bos_token_id: 1, eos_token_id: 2 };
