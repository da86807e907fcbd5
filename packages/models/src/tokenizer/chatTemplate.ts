import type { Template } from "@huggingface/jinja";
import { type ModelFiles, readJson } from "@lowrank/files";

/** One turn of a conversation. */
export interface ChatMessage {
  role: string;
  content: string;
}

/** Options of `applyChatTemplate`. */
export interface ChatTemplateOptions {
  /** End with the opening of an assistant turn, for the model to go on. Default false. */
  addGenerationPrompt?: boolean;
  /** Further variables of the template, such as `tools`. */
  variables?: Record<string, unknown>;
}

/**
 * A model's chat template in Jinja: `chat_template.jinja`, else `chat_template` of
 * `tokenizer_config.json`.
 */
export async function readChatTemplate(files: ModelFiles): Promise<string | null> {
  if (await files.has("chat_template.jinja")) return files.readText("chat_template.jinja");
  if (!(await files.has("tokenizer_config.json"))) return null;
  const config = (await readJson(files, "tokenizer_config.json")) as { chat_template?: unknown };
  const template = Array.isArray(config.chat_template) ? findDefault(config.chat_template) : config.chat_template;
  if (template === undefined || template === null) return null;
  if (typeof template === "string") return template;
  throw new Error(`tokenizer_config.json of ${files.label}: chat_template has no template named "default"`);
}

function findDefault(named: { name?: unknown; template?: unknown }[]): unknown {
  return named.find(({ name }) => name === "default")?.template ?? false;
}

/** The template of the last call: a data set renders one thousands of times. */
let parsed: { source: string; template: Template } | undefined;

/**
 * Renders a conversation as the text that the model was trained on. `specialTokens` are
 * the template's variables. Jinja is loaded at the first call.
 */
export async function renderChat(
  template: string,
  messages: readonly ChatMessage[],
  specialTokens: Record<string, string>,
  options: ChatTemplateOptions = {},
): Promise<string> {
  if (parsed?.source !== template) {
    const { Template } = await import("@huggingface/jinja");
    parsed = { source: template, template: new Template(template) };
  }
  return parsed.template.render({
    ...specialTokens,
    ...options.variables,
    messages,
    add_generation_prompt: options.addGenerationPrompt ?? false,
  });
}
