import type { Tokenizer } from "@lowrank/models";
import type { Check } from "../check/compare.ts";
import { type ExpectedTokens, readExpected } from "./expected.ts";
import { same } from "./ggufFile.ts";

/** Checks the texts, id lists, special tokens and conversations of expected/tokens.json. */
export async function* tokens(dir: string, tokenizer: Tokenizer): AsyncGenerator<Check> {
  const { cases, decode, chats, special_ids } = readExpected<ExpectedTokens>(dir, "tokens");
  for (const { text, ids, decoded, decoded_skip_special } of cases) {
    const name = `tokens ${JSON.stringify(text)}`;
    yield same(name, tokenizer.encode(text), ids);
    yield same(`${name} decoded`, tokenizer.decode(ids), decoded);
    const bare = tokenizer.decode(ids, { skipSpecialTokens: true });
    yield same(`${name} decoded without special tokens`, bare, decoded_skip_special);
  }
  for (const { ids, text } of decode) yield same(`tokens of [${ids}]`, tokenizer.decode(ids), text);
  for (const [token, id] of Object.entries(special_ids)) yield same(`tokens ${token}`, tokenizer.tokenId(token), id);
  for (const [i, { messages, add_generation_prompt, text, ids }] of chats.entries()) {
    const rendered = await tokenizer.applyChatTemplate(messages, { addGenerationPrompt: add_generation_prompt });
    yield same(`chat ${i}`, rendered, text);
    yield same(`chat ${i} ids`, tokenizer.encode(text, { addSpecialTokens: false }), ids);
  }
}
