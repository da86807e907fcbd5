import { z } from "@hono/zod-openapi";
import type { ChatPrompt } from "../../api/api.ts";

/** vLLM's fields of a chat request that control the chat template. */
export interface TemplateBody {
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

/** Returns the prompt of a chat. `variables` override `chat_template_kwargs`. */
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
