import { z } from "@hono/zod-openapi";
import { addRoute } from "../app/addRoute.ts";
import { requestUser } from "../app/apiKeys.ts";
import type { AppContext, AppRequest, ServingApp } from "../app/appContext.ts";
import { checkBody, modelName, refused } from "../requests/checkBody.ts";
import { HttpError, notSupported } from "../requests/httpError.ts";
import { eachInput, textInputs } from "../requests/textInputs.ts";

const embeddingBody = z
  .strictObject({
    model: modelName,
    input: textInputs,
    encoding_format: z.enum(["float", "base64"]).optional(),
    /**
     * Maximum number of tokens of an input, a field of vLLM's API. Longer inputs are truncated at the end. -1: the
     * model's maximum length.
     */
    truncate_prompt_tokens: z.int().min(-1).optional(),
    user: z.string().optional(),
  })
  .openapi("CreateEmbeddingRequest");

type EmbeddingBody = z.infer<typeof embeddingBody>;

const unsupported = { dimensions: refused("dimensions: shorter embeddings") };

/** Adds `/v1/embeddings`. */
export function addEmbeddings(app: ServingApp, context: AppContext): void {
  addRoute(app, context, {
    method: "post",
    path: "/v1/embeddings",
    summary: "Makes embeddings of texts or token ids, by an encoder.",
    body: embeddingBody,
    budgeted: true,
    counted: true,
    answer: (c, raw) => embed(c, context, checkBody(embeddingBody, raw, unsupported)),
  });
}

async function embed(c: AppRequest, context: AppContext, body: EmbeddingBody): Promise<Response> {
  const { model, adapter } = await context.adapterOf(body.model, c.get("caller"));
  if (model.task !== "embed") throw notSupported("model", `The model \`${body.model}\` makes text, not embeddings.`);
  const inputs = eachInput(body.input);
  if (inputs.some((input) => input === "")) {
    throw new HttpError(400, "An input is an empty text.", { param: "input", code: "invalid_value" });
  }
  const caller = c.get("caller");
  context.budgets.check(caller, { sequences: inputs.length, param: "input" });
  let promptTokens = 0;
  if (Number.isFinite(caller.budgets.tokensPerMinute)) {
    for (const input of inputs) {
      const tokens = typeof input === "string" ? await context.engine.tokenize({ text: input }) : input;
      promptTokens += Math.min(tokens.length, model.maxPositions);
    }
  }
  const admission = context.budgets.admit(caller, { sequences: inputs.length, promptTokens, param: "input" });
  let used = 0;
  try {
    const { embeddings, tokens } = await context.engine.embed(inputs, {
      truncatePromptTokens: body.truncate_prompt_tokens,
      adapter,
      ...requestUser(c.get("caller")),
    });
    c.get("log").promptTokens = tokens;
    used = tokens;
    const written = body.encoding_format === "base64" ? base64 : (row: Float32Array) => [...row];
    const data = embeddings.map((row, index) => ({ object: "embedding", index, embedding: written(row) }));
    const usage = { prompt_tokens: tokens, total_tokens: tokens };
    return c.json({ object: "list", data, model: body.model, usage });
  } finally {
    admission.end(used);
  }
}

/** Encodes values as little-endian f32 in base64. */
function base64(row: Float32Array): string {
  const bytes = new Uint8Array(row.length * 4);
  const view = new DataView(bytes.buffer);
  for (const [i, value] of row.entries()) view.setFloat32(i * 4, value, true);
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}
