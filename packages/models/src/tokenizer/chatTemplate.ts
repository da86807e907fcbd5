import { type ModelFiles, readJson } from "@lowrank/files";

/** A message of a conversation. */
export interface ChatMessage {
  role: string;
  content: string;
}

/** Options of `applyChatTemplate`. */
export interface ChatTemplateOptions {
  /** End with the start of an assistant message, so that the model answers. Default false. */
  addGenerationPrompt?: boolean;
  /** Additional variables of the template, such as `tools`. */
  variables?: Record<string, unknown>;
}

/**
 * Reads a model's chat template (Jinja): `chat_template.jinja`, else `chat_template` of `tokenizer_config.json`.
 * Returns null if there is none.
 */
export async function readChatTemplate(files: ModelFiles): Promise<string | null> {
  if (await files.has("chat_template.jinja")) return files.readText("chat_template.jinja");
  if (!(await files.has("tokenizer_config.json"))) return null;
  const config = ((await readJson(files, "tokenizer_config.json")) ?? {}) as { chat_template?: unknown };
  const { chat_template: given } = config;
  // A list without a default is not a text, which throws below.
  const template = Array.isArray(given) ? (given.find((one) => one?.name === "default")?.template ?? given) : given;
  if (template === undefined || template === null) return null;
  if (typeof template === "string") return template;
  throw new Error(`tokenizer_config.json of ${files.label}: chat_template has no template named "default"`);
}
