/** The label of a token that does not count in the loss, as in PyTorch's cross-entropy. */
export const ignoreIndex = -100;
