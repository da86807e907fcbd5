/**
 * PEFT methods that Lowrank does not support, by `peft_type`. The value is the reason, or names the nearest supported
 * method. docs/methods.md lists these methods.
 */
export const declinedMethods: Readonly<Record<string, string>> = {
  ADAMSS: "its subspaces come from scikit-learn's k-means over the weights",
  BEFT: "it adds biases to value projections; BITFIT trains the biases that a model has",
  C3A: "its blocks are circulant matrices",
  CARTRIDGE: "it is distilled from a text; PREFIX_TUNING without projection trains the same keys and values",
  CPT: "it needs the types of an example's tokens in every batch; PROMPT_TUNING can start from a text",
  DEFT: "it replaces a subspace of the weights by a product",
  FROD: "its rotation comes from a decomposition of the weights of all layers",
  GLORA: "it scales and shifts weights and biases in several forms; LORA and IA3 each do one",
  LILY: "its layers share low-rank products through a router",
  MULTITASK_PROMPT_TUNING: "it needs a task id in every batch; PROMPT_TUNING has one task",
  OSF: "it trains nearly all of the weights, in the basis of their singular vectors",
  PEANUT: "its update is a small network of the weights",
  POLY: "it needs a task id in every batch; withAdapterNames gives each row an adapter",
  PSOFT: "it rotates within the weights' largest singular vectors; OFT rotates inputs",
  PVERA: "it draws random values in every step; VERA is its form without randomness",
  ROAD: "it rotates pairs of outputs; OFT rotates blocks of inputs",
  SHADOW: "it is a second network next to the model",
  SHIRA: "it trains single elements of the weights, at positions that a user's function may choose",
  SUPERTUNING: "it trains the largest elements of the weights",
  TINYLORA: "it trains a few values in the basis of the weights' singular vectors; VBLORA and VERA are small too",
  TRAINABLE_TOKENS: "LORA and ADALORA support it as trainable_token_indices",
  UNILORA: "it maps one vector to random positions of all layers; VBLORA shares vectors too",
  WAVEFT: "it is FOURIERFT with wavelets",
  XLORA: "it runs the model twice to mix LoRA adapters; addWeightedAdapter makes fixed mixtures",
};
