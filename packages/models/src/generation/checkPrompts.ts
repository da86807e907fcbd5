/** Throws if `prompts` is not a list of lists of token ids. */
export function checkPrompts(prompts: unknown): void {
  const advice = "prompts are lists of token ids, as in [tokenizer.encode(text)], and generateText takes a text";
  if (!Array.isArray(prompts)) throw new Error(`generate: ${advice}; ${typeof prompts} was given`);
  if (typeof prompts[0] === "number") throw new Error("generate: the ids of one prompt were given; write [ids]");
  const other = prompts.findIndex((prompt) => !(Array.isArray(prompt) || ArrayBuffer.isView(prompt)));
  if (other >= 0) throw new Error(`generate: ${advice}; prompt ${other} is ${typeof prompts[other]}`);
}
