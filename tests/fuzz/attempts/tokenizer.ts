import { Tokenizer } from "@lowrank/models";
import { type Attempt, checkIds } from "./attempt.ts";

const texts = ["hello world", "", "hello  hell! 123's\n\u00e9\u{1f600}", "</s>wor<unk>", "a".repeat(300)];
const messages = [
  { role: "user", content: "hello" },
  { role: "assistant", content: "wor" },
];

/** Encodes and decodes texts, and renders a conversation. */
export async function useTokenizer(tokenizer: Tokenizer): Promise<void> {
  const ids = [tokenizer.bosTokenId, tokenizer.eosTokenId, tokenizer.padTokenId].filter((id) => id !== null);
  checkIds("a special token", ids, 2 ** 24);
  for (const text of texts) {
    const encoded = tokenizer.encode(text);
    checkIds("encode", encoded, 2 ** 24);
    tokenizer.decode(encoded);
    for (const id of encoded.slice(0, 3)) tokenizer.tokenBytes(id);
  }
  if (tokenizer.chatTemplate !== null) await tokenizer.applyChatTemplate(messages, { addGenerationPrompt: true });
}

/** A tokenizer's folder. */
export const tokenizer: Attempt = async ({ files, accepted }) => {
  const read = await Tokenizer.fromFiles(files);
  accepted();
  await useTokenizer(read);
};
