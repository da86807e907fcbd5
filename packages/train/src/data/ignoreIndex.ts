/** The label of a token without loss, as in PyTorch's cross-entropy. */
export const ignoreIndex = -100;
