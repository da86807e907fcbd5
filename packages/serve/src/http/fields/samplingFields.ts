import { z } from "@hono/zod-openapi";
import type { SamplingSettings } from "../../api/api.ts";
import { ignored, refused, type Unsupported } from "../requests/checkBody.ts";
import { type VllmBody, vllmFields } from "./vllmFields.ts";

/** Fields of a chat or completion request that control sampling. */
export interface SamplingBody extends VllmBody {
  temperature?: number;
  top_p?: number;
  frequency_penalty?: number;
  presence_penalty?: number;
  logit_bias?: Record<string, number>;
  seed?: number;
  stop?: string | string[];
  n?: number;
  max_tokens?: number;
  stream?: boolean;
  stream_options?: { include_usage?: boolean; continuous_usage_stats?: boolean; include_obfuscation?: boolean };
  top_k?: number;
  min_p?: number;
  repetition_penalty?: number;
  task_id?: number;
}

// Limited, since the text is searched for it after every token while other requests wait.
const stopText = z.string().min(1).max(1000);

/** Zod schemas of the fields of `SamplingBody`. */
export const samplingFields: { readonly [K in keyof SamplingBody]-?: z.ZodType<SamplingBody[K]> } = {
  temperature: z.number().min(0).max(2).optional().openapi({ description: "0 takes the likeliest. Default: 1." }),
  top_p: z.number().gt(0).max(1).optional(),
  frequency_penalty: z.number().min(-2).max(2).optional(),
  presence_penalty: z.number().min(-2).max(2).optional(),
  logit_bias: z
    .record(z.string().regex(/^\d+$/, "a token's id is a whole number"), z.number().min(-100).max(100))
    .optional(),
  seed: z
    .int()
    .optional()
    .openapi({ description: "The same seed gives the same tokens. Choice i of n takes seed + i." }),
  stop: z.union([stopText, z.array(stopText).max(4)]).optional(),
  n: z
    .int()
    .min(1)
    .max(128)
    .optional()
    .openapi({ description: "The server's limit of sequences for a request may be lower." }),
  max_tokens: z.int().min(0).optional(),
  stream: z.boolean().optional(),
  stream_options: z
    .strictObject({
      include_usage: z.boolean().optional(),
      continuous_usage_stats: z
        .boolean()
        .optional()
        .openapi({ description: "With include_usage, every chunk has the usage of its choice so far." }),
      include_obfuscation: z.boolean().optional().openapi({ description: "Ignored: no chunk has obfuscation." }),
    })
    .optional(),
  top_k: z.int().min(-1).optional().openapi({ description: "-1 and 0 keep all tokens." }),
  min_p: z.number().min(0).max(1).optional(),
  repetition_penalty: z.number().gt(0).max(2).optional(),
  task_id: z
    .int()
    .min(0)
    .optional()
    .openapi({ description: "The task, for an adapter of several tasks (Poly). Other adapters ignore it." }),
  ...vllmFields,
};

const isEmpty = (value: unknown): boolean => Array.isArray(value) && value.length === 0;

/** Returns true for a body that forbids tool calls, so that its tools do not change the answer. */
const callsNone = (body: Readonly<Record<string, unknown>>): boolean =>
  body.tool_choice === "none" || body.function_call === "none";

/** Fields of OpenAI's and vLLM's APIs that neither chats nor completions support here. */
export const unsupportedFields: Unsupported = {
  user: ignored,
  metadata: ignored,
  store: ignored,
  spaces_between_special_tokens: ignored,
  service_tier: refused("service_tier", (value) => value === "auto" || value === "default"),
  safety_identifier: ignored,
  prompt_cache_key: ignored,
  tools: refused("tools without tool_choice: none", (value, body) => isEmpty(value) || callsNone(body)),
  tool_choice: refused("tool_choice", (value) => value === "none" || value === "auto"),
  parallel_tool_calls: ignored,
  functions: refused("functions without function_call: none", (value, body) => isEmpty(value) || callsNone(body)),
  function_call: refused("function_call", (value) => value === "none" || value === "auto"),
  response_format: refused(
    "response_format other than text",
    (value) => (value as { type?: unknown } | null)?.type === "text",
  ),
  modalities: refused("modalities other than text", (value) => {
    return Array.isArray(value) && value.length === 1 && value[0] === "text";
  }),
  audio: refused("audio"),
  prediction: refused("prediction"),
  verbosity: refused("verbosity", (value) => value === "medium"),
  web_search_options: refused("web_search_options"),
  suffix: refused("suffix: inserting text", (value) => value === ""),
  guided_json: refused("guided_json"),
  guided_regex: refused("guided_regex"),
  guided_choice: refused("guided_choice"),
  guided_grammar: refused("guided_grammar"),
  structured_outputs: refused("structured_outputs"),
  return_tokens_as_token_ids: refused("return_tokens_as_token_ids", (value) => value === false),
  detokenize: refused("detokenize: false", (value) => value === true),
  length_penalty: refused("length_penalty other than 1", (value) => value === 1),
  cache_salt: refused("cache_salt"),
  request_id: () => "request_id is not supported by this server; send the header x-request-id instead.",
  use_beam_search: refused("use_beam_search", (value) => value === false),
};

/**
 * Returns the sampling settings from a request's body for one of its `n` choices. Choice k uses the seed `seed` + k.
 */
export function samplingOf(body: SamplingBody, choice: number): SamplingSettings {
  const bias = Object.entries(body.logit_bias ?? {}).map(([token, value]) => [Number(token), value]);
  return {
    temperature: body.temperature ?? 1,
    topP: body.top_p,
    topK: body.top_k === undefined ? undefined : Math.max(0, body.top_k),
    minP: body.min_p,
    seed: body.seed === undefined ? undefined : body.seed + choice,
    repetitionPenalty: body.repetition_penalty,
    frequencyPenalty: body.frequency_penalty,
    presencePenalty: body.presence_penalty,
    logitBias: bias.length === 0 ? undefined : Object.fromEntries(bias),
    badWords: body.bad_words,
    allowedTokenIds: body.allowed_token_ids,
  };
}

/** Returns the stop texts in a request body as a list; undefined if it has none. */
export function stopsOf({ stop }: SamplingBody): string[] | undefined {
  return stop === undefined || typeof stop !== "string" ? stop : [stop];
}
