import { z } from "@hono/zod-openapi";
import { visibleAdapters } from "../../access/mayUse.ts";
import type { Caller } from "../../api/caller.ts";
import { addRoute } from "../app/addRoute.ts";
import type { AppContext, AppRequest, ServingApp } from "../app/appContext.ts";
import { checkMessages, messagesField, messagesOf } from "../fields/messages.ts";
import { chatPromptOf, templateFields } from "../fields/vllmFields.ts";
import { checkBody, modelName, refused } from "../requests/checkBody.ts";
import { HttpError, modelNotFound } from "../requests/httpError.ts";

const tokenizeBody = z
  .strictObject({
    model: modelName.optional(),
    prompt: z.string().optional(),
    messages: messagesField.optional(),
    ...templateFields,
  })
  .openapi("TokenizeRequest");

const detokenizeBody = z
  .strictObject({ model: modelName.optional(), tokens: z.array(z.int().min(0)) })
  .openapi("DetokenizeRequest");

const unsupported = {
  return_token_strs: refused("return_token_strs", (value) => value === false),
};

/** Adds vLLM's `/tokenize` and `/detokenize`. */
export function addTokenize(app: ServingApp, context: AppContext): void {
  /**
   * Runs `work` on the engine. The call counts as one of the key's running sequences until it ends. Throws if the key's
   * budgets do not allow another sequence.
   */
  const admitted = async <T>(c: AppRequest, work: () => Promise<T>): Promise<T> => {
    const admission = context.budgets.admit(c.get("caller"), { sequences: 1, param: "model" });
    try {
      return await work();
    } finally {
      admission.end(0);
    }
  };
  const checkModel = async (model: string | undefined, caller: Caller) => {
    if (model === undefined) return;
    const { adapter } = await context.adapterOf(model, caller);
    if (adapter === null) return;
    const adapters = visibleAdapters(await context.engine.adapters(), caller);
    if (!adapters.some(({ name }) => name === adapter)) throw modelNotFound(model);
  };
  addRoute(app, context, {
    method: "post",
    path: "/tokenize",
    summary: "Turns a text or a chat into token ids.",
    body: tokenizeBody,
    answer: async (c, raw) => {
      checkMessages(raw);
      const body = checkBody(tokenizeBody, raw, unsupported);
      const { model, prompt, messages } = body;
      await checkModel(model, c.get("caller"));
      if ((prompt === undefined) === (messages === undefined)) {
        throw new HttpError(400, "Give either prompt or messages.", { param: "prompt", code: "invalid_value" });
      }
      const tokens = await admitted(c, () =>
        context.engine.tokenize(
          messages
            ? chatPromptOf(messagesOf(messages), body)
            : { text: prompt as string, addSpecialTokens: body.add_special_tokens },
        ),
      );
      const { maxPositions } = await context.engine.model();
      return c.json({ count: tokens.length, max_model_len: maxPositions, tokens, token_strs: null });
    },
  });
  addRoute(app, context, {
    method: "post",
    path: "/detokenize",
    summary: "Turns token ids into a text.",
    body: detokenizeBody,
    answer: async (c, raw) => {
      const { model, tokens } = checkBody(detokenizeBody, raw);
      await checkModel(model, c.get("caller"));
      return c.json({ prompt: await admitted(c, () => context.engine.detokenize(tokens)) });
    },
  });
}
