/**
 * PEFT's methods that Lowrank does not support, by PEFT's name, each with the reason or the nearest method.
 * docs/methods.md lists them.
 */
export const declinedMethods: Readonly<Record<string, string>> = {
  ADAMSS: "its subspaces come out of scikit-learn's k-means over the weights",
  BEFT: "it adds biases to value projections; BITFIT trains those that a model has",
  C3A: "its blocks are circulant matrices, a method of its own",
  CARTRIDGE: "it is distilled from a text; PREFIX_TUNING without projection trains the same keys and values",
  CPT: "it takes the types of an example's tokens in every batch; PROMPT_TUNING can start from a text",
  DEFT: "it replaces a subspace of the weights by a product, a method of its own",
  FROD: "its rotation comes out of a decomposition over the weights of all layers",
  GLORA: "it scales and shifts weights and biases in forms of its own; LORA and IA3 do one each",
  LILY: "its layers share low-rank products through a router",
  MULTITASK_PROMPT_TUNING: "it takes a task's number in every batch; PROMPT_TUNING has one task",
  OSF: "it trains nearly all of the weights, in terms of their own singular vectors",
  PEANUT: "its change is a small network of the weights",
  POLY: "it takes a task's number in every batch; adapters by rows can be had with withAdapterNames",
  PSOFT: "it rotates within the weights' largest singular vectors; OFT rotates inputs",
  PVERA: "it draws random numbers in every step; VERA is what it is about their means",
  ROAD: "it rotates pairs of outputs; OFT rotates blocks of inputs",
  SHADOW: "it is a second network beside the model",
  SHIRA: "it trains single numbers of the weights, at places that a function of the user's may choose",
  SUPERTUNING: "it trains the largest numbers of the weights",
  TINYLORA: "it trains a few numbers in terms of the weights' singular vectors; VBLORA and VERA are small too",
  TRAINABLE_TOKENS: "LORA and ADALORA have it as trainable_token_indices",
  UNILORA: "its one vector is spread over all layers by random places; VBLORA shares vectors too",
  WAVEFT: "it is FOURIERFT with wavelets",
  XLORA: "it runs the model twice to mix LoRA adapters; fixed mixtures can be had with addWeightedAdapter",
};
