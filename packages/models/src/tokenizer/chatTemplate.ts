import { type ModelFiles, readJson } from "@lowrank/files";

/** A message of a conversation. */
export interface ChatMessage {
  role: string;
  content: string;
}

/** Options of `applyChatTemplate`. */
export interface ChatTemplateOptions {
  /** True to end the text with the start of an assistant's message, so that the model answers. Default false. */
  addGenerationPrompt?: boolean;
  /** Additional variables for the template, such as `tools`. */
  variables?: Record<string, unknown>;
}

/**
 * Reads the chat template (Jinja) of a model: `chat_template.jinja`, else `chat_template` in `tokenizer_config.json`.
 * Returns null if neither exists.
 */
export async function readChatTemplate(files: ModelFiles): Promise<string | null> {
  if (await files.has("chat_template.jinja")) return files.readText("chat_template.jinja");
  if (!(await files.has("tokenizer_config.json"))) return null;
  const config = ((await readJson(files, "tokenizer_config.json")) ?? {}) as { chat_template?: unknown };
  const { chat_template: given } = config;
  // A list without a template named "default" is not a text, so it throws below.
  const template = Array.isArray(given) ? (given.find((one) => one?.name === "default")?.template ?? given) : given;
  if (template === undefined || template === null) return null;
  if (typeof template === "string") return template;
  throw new Error(`tokenizer_config.json of ${files.label}: chat_template has no template named "default"`);
}
