/** The label of a token that is not learned, as in PyTorch's cross-entropy. */
export const ignoreIndex = -100;
