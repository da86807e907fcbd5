import type { Tokenizer } from "@lowrank/models";
import { continuedChat } from "@lowrank/models/internal";
import type { ChatPrompt, ServingPrompt, ServingRequest } from "../../api/api.ts";
import { asInvalid, checkTokens, invalid, tooLong } from "./invalidRequest.ts";

/**
 * Returns the tokens of a prompt. Throws ServingError for a prompt without tokens, and for ids outside the vocabulary.
 * The error's `param` is `field`; default: "messages" for a chat, otherwise "prompt".
 */
export async function readPrompt(
  prompt: ServingPrompt,
  tokenizer: Tokenizer,
  vocabSize: number,
  field?: string,
): Promise<number[]> {
  const param = field ?? ("messages" in prompt ? "messages" : "prompt");
  const tokens = await asInvalid(param, () => tokensOf(prompt, tokenizer));
  if (tokens.length === 0) {
    throw invalid(`the prompt has no tokens; give at least one${bosAdvice(tokenizer)}`, param);
  }
  checkTokens(tokens, vocabSize, "the prompt", param);
  return tokens;
}

async function tokensOf(prompt: ServingPrompt, tokenizer: Tokenizer): Promise<number[]> {
  if ("tokens" in prompt) return [...prompt.tokens];
  const { addSpecialTokens = "text" in prompt } = prompt;
  const text = "text" in prompt ? prompt.text : await chatText(prompt, tokenizer);
  return text === "" ? [] : tokenizer.encode(text, { addSpecialTokens });
}

function chatText(prompt: ChatPrompt, tokenizer: Tokenizer): Promise<string> | string {
  const { messages, continueFinalMessage = false, templateVariables } = prompt;
  const { addGenerationPrompt = !continueFinalMessage } = prompt;
  if (messages.length === 0) return "";
  if (continueFinalMessage && addGenerationPrompt) {
    const message = "continue_final_message continues the last message, and add_generation_prompt begins another";
    throw invalid(`${message}; set one of them`, "continue_final_message");
  }
  if (continueFinalMessage) return continuedChat(messages, tokenizer, templateVariables);
  return tokenizer.applyChatTemplate(messages, { addGenerationPrompt, variables: templateVariables });
}

function bosAdvice({ bosTokenId }: Tokenizer): string {
  return bosTokenId === null ? "" : `, such as the model's BOS, ${bosTokenId}`;
}

/**
 * Shortens a prompt to `truncatePromptTokens` tokens. Throws ServingError if that is not a valid length, or if no space
 * is left for new tokens.
 */
export function truncated(prompt: readonly number[], request: ServingRequest, maxModelLen: number): readonly number[] {
  const { truncatePromptTokens: given, truncationSide = "left", maxNewTokens = 1 } = request;
  if (given === undefined) return prompt;
  const room = maxModelLen - maxNewTokens;
  if (room < 1) {
    throw tooLong(
      maxModelLen,
      `, and ${maxNewTokens} new ones leave no space for a prompt; ask for fewer`,
      request.maxNewTokens === undefined ? "prompt" : "max_tokens",
    );
  }
  if (!Number.isSafeInteger(given) || given < -1 || given > room) {
    const expected = `expected -1, or a whole number up to ${room}: the context length ${maxModelLen} without`;
    throw invalid(
      `truncate_prompt_tokens is ${given}; ${expected} ${maxNewTokens} new tokens`,
      "truncate_prompt_tokens",
    );
  }
  const kept = given === -1 ? room : given;
  if (kept < 1)
    throw invalid(`truncate_prompt_tokens leaves ${kept} tokens; keep at least 1`, "truncate_prompt_tokens");
  return truncationSide === "left" ? prompt.slice(-kept) : prompt.slice(0, kept);
}

/**
 * Refuses texts whose length alone shows that they exceed the token limit. They are not tokenized, since tokenizing
 * blocks other requests.
 */
export class TextLength {
  readonly #tokenizer: Tokenizer;
  readonly #mostTokens: number;
  #longestToken: number | null = null;

  constructor(tokenizer: Tokenizer, mostTokens: number) {
    this.#tokenizer = tokenizer;
    this.#mostTokens = mostTokens;
  }

  /** Throws ServingError for a text or chat that is too long. */
  check(prompt: ServingPrompt): void {
    if ("tokens" in prompt) return;
    const texts = "text" in prompt ? [prompt.text] : prompt.messages.map(({ content }) => content);
    const length = texts.reduce((sum, { length }) => sum + length, 0);
    // A short text fits without looking at the vocabulary.
    if (length <= this.#mostTokens) return;
    const most = this.#mostTokens * this.#longest();
    if (length <= most) return;
    const param = "text" in prompt ? "prompt" : "messages";
    const message = `, which hold at most ${most} characters; the prompt has ${length}; shorten it`;
    throw tooLong(this.#mostTokens, message, param);
  }

  /**
   * Returns the number of bytes of the longest token in the vocabulary. A text has at least as many bytes as
   * characters, so this number limits the characters per token.
   */
  #longest(): number {
    if (this.#longestToken !== null) return this.#longestToken;
    const { vocabSize } = this.#tokenizer;
    let longest = 1;
    for (let token = 0; token < vocabSize; token++) {
      longest = Math.max(longest, this.#tokenizer.tokenBytes(token).length);
    }
    this.#longestToken = longest;
    return longest;
  }
}
