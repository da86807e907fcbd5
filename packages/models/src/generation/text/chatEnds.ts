import type { CausalLM } from "../../model/causalLM.ts";
import type { Tokenizer } from "../../tokenizer/tokenizer.ts";
import { defaultEos } from "./textPieces.ts";

/**
 * Text used as an assistant's message to find what the template puts after it; unlikely to occur in a template itself.
 */
const marker = "lowrank0answer";

/**
 * Returns the tokens that end an answer in a chat: EOS, and the special token that the chat template puts after an
 * assistant's message. Throws if the tokenizer has no chat template.
 */
export async function chatEnds(model: CausalLM, tokenizer: Tokenizer): Promise<readonly number[]> {
  const eos = defaultEos(model.generationConfig, tokenizer);
  const text = await tokenizer.applyChatTemplate([
    { role: "user", content: "question" },
    { role: "assistant", content: marker },
  ]);
  const rest = text.slice(text.lastIndexOf(marker) + marker.length);
  const [end] = rest === "" ? [] : tokenizer.encode(rest, { addSpecialTokens: false });
  const isSpecial = end !== undefined && tokenizer.decode([end], { skipSpecialTokens: true }) === "";
  return isSpecial && !eos.includes(end) ? [...eos, end] : eos;
}
