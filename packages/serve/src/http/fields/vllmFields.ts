import { z } from "@hono/zod-openapi";
import type { ChatPrompt, ServingEvent, ServingRequest } from "../../api/api.ts";
import { HttpError } from "../requests/httpError.ts";

/** Fields of chat and completion requests that vLLM adds to OpenAI's API. */
export interface VllmBody {
  min_tokens?: number;
  stop_token_ids?: number[];
  include_stop_str_in_output?: boolean;
  skip_special_tokens?: boolean;
  ignore_eos?: boolean;
  bad_words?: string[];
  allowed_token_ids?: number[];
  prompt_logprobs?: number;
  return_token_ids?: boolean;
  truncate_prompt_tokens?: number;
  truncation_side?: "left" | "right";
  priority?: number;
}

const tokenIds = z.array(z.int().min(0));
// Limited, since all are checked after every token while other requests wait.
const badWords = z.array(z.string().min(1).max(1000)).max(1000);

/** Zod schemas of the fields of `VllmBody`. */
export const vllmFields: { readonly [K in keyof VllmBody]-?: z.ZodType<VllmBody[K]> } = {
  min_tokens: z
    .int()
    .min(0)
    .optional()
    .openapi({ description: "EOS, stop_token_ids and stop end no answer before so many new tokens." }),
  stop_token_ids: tokenIds.max(1000).optional().openapi({ description: "Tokens that end an answer, besides EOS." }),
  include_stop_str_in_output: z.boolean().optional(),
  skip_special_tokens: z.boolean().optional().openapi({ description: "Default: true." }),
  ignore_eos: z.boolean().optional(),
  bad_words: badWords.optional().openapi({ description: "Words that may not come in the new text." }),
  allowed_token_ids: tokenIds.min(1).optional().openapi({ description: "The only tokens that may come." }),
  prompt_logprobs: z
    .int()
    .min(-1)
    .optional()
    .openapi({ description: "Log-probabilities of the prompt's tokens, and so many of the likeliest at each place." }),
  return_token_ids: z.boolean().optional(),
  truncate_prompt_tokens: z
    .int()
    .min(-1)
    .optional()
    .openapi({ description: "Keeps so many tokens of the prompt. -1: as many as the model takes." }),
  truncation_side: z
    .enum(["left", "right"])
    .optional()
    .openapi({ description: "The side from which tokens are cut. Default: left, so that the last ones are kept." }),
  priority: z
    .int()
    .optional()
    .openapi({ description: "Among the waiting requests of one key, the lowest goes first. Default: 0." }),
};

/** Converts vLLM's fields of a body to settings of an engine request. Throws for fields that cannot be combined. */
export function vllmSettings(body: VllmBody & { stream?: boolean }): Partial<ServingRequest> {
  if (body.stream && body.prompt_logprobs !== undefined) {
    const message = "prompt_logprobs are not available in a stream; leave out stream, or prompt_logprobs.";
    throw new HttpError(400, message, { param: "prompt_logprobs", code: "invalid_value" });
  }
  return {
    minTokens: body.min_tokens,
    stopTokenIds: body.stop_token_ids,
    includeStop: body.include_stop_str_in_output,
    skipSpecialTokens: body.skip_special_tokens,
    ignoreEos: body.ignore_eos,
    promptLogprobs: body.prompt_logprobs,
    returnPromptTokens: body.return_token_ids,
    truncatePromptTokens: body.truncate_prompt_tokens,
    truncationSide: body.truncation_side,
    priority: body.priority,
  };
}

/** Log-probabilities at one prompt position in vLLM's format, by token id; null for the first token. */
export type PromptLogprob = Readonly<
  Record<string, { readonly logprob: number; readonly rank: number; readonly decoded_token: string }>
> | null;

/**
 * Returns the log-probabilities at a prompt position: of the `likeliest` most probable tokens (negative: of all
 * tokens), and of the prompt's own token.
 */
export function promptLogprobOf(
  { logprob }: Extract<ServingEvent, { type: "token" }>,
  likeliest: number,
): PromptLogprob {
  if (!logprob || logprob.logprob === null) return null;
  const shown = likeliest < 0 ? logprob.top : logprob.top.slice(0, likeliest);
  return Object.fromEntries(
    [...shown, logprob].map(({ token, text, logprob, rank }) => {
      return [String(token), { logprob: logprob as number, rank: rank as number, decoded_token: text }];
    }),
  );
}

/** vLLM's fields of a chat request that control the chat template. */
interface TemplateBody {
  add_generation_prompt?: boolean;
  continue_final_message?: boolean;
  chat_template_kwargs?: Record<string, unknown>;
  add_special_tokens?: boolean;
}

/** Zod schemas of the fields of `TemplateBody`. */
export const templateFields: { readonly [K in keyof TemplateBody]-?: z.ZodType<TemplateBody[K]> } = {
  add_generation_prompt: z
    .boolean()
    .optional()
    .openapi({ description: "Ends the prompt with the opening of an assistant turn. Default: true." }),
  continue_final_message: z
    .boolean()
    .optional()
    .openapi({ description: "The model continues the last message. It needs add_generation_prompt: false or none." }),
  chat_template_kwargs: z
    .record(z.string(), z.unknown())
    .optional()
    .openapi({ description: "Further variables of the template." }),
  add_special_tokens: z
    .boolean()
    .optional()
    .openapi({ description: "Adds special tokens such as BOS. Default: true for a text, false for a chat." }),
};

/**
 * Returns the prompt of a chat. The chat template gets `variables`; they override variables of the same name in
 * `chat_template_kwargs`.
 */
export function chatPromptOf(
  messages: ChatPrompt["messages"],
  body: TemplateBody,
  variables: Readonly<Record<string, unknown>> = {},
): ChatPrompt {
  return {
    messages,
    addGenerationPrompt: body.add_generation_prompt,
    continueFinalMessage: body.continue_final_message,
    addSpecialTokens: body.add_special_tokens,
    templateVariables: { ...body.chat_template_kwargs, ...variables },
  };
}
