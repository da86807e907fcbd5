import { appendFile } from "node:fs/promises";
import { nearestName } from "@lowrank/core/internal";
import type { Option } from "commander";
import { type SamplingCommandOptions, samplingOptions } from "../../cli/options/samplingOptions.ts";
import type { Conversation } from "./conversation.ts";

/** Settings of a chat that /set changes. */
export interface ChatSettings extends SamplingCommandOptions {
  maxNewTokens: number;
}

/** State that a slash command can change. */
export interface ChatState {
  readonly conversation: Conversation;
  readonly settings: ChatSettings;
  /** Options that /set accepts in addition to those for sampling. */
  readonly options: readonly Option[];
}

/** Slash command of a chat. */
interface SlashCommand {
  /** Arguments of the command, as shown by /help. */
  readonly takes: string;
  readonly help: string;
  /** Runs the command and returns the text to print; null ends the chat. */
  run(words: string, state: ChatState): Promise<string | null> | string | null;
}

/** Slash commands by name. */
const commands: Readonly<Record<string, SlashCommand>> = {
  help: { takes: "", help: "these commands", run: () => helpText() },
  use: {
    takes: "NAME | PATH | none",
    help: "answer with an adapter: one of /adapters, a folder or hf://org/name; none for the base model",
    run: async (word, { conversation }) => {
      if (word === "") throw new Error("/use: which adapter? Give a name of /adapters, a folder, or none");
      const name = await conversation.use(word === "none" ? null : word);
      return name === null ? "the base model answers" : `adapter ${name} answers`;
    },
  },
  adapters: {
    takes: "",
    help: "the adapters that are loaded; * marks the one that answers",
    run: (_, { conversation: { adapters, active } }) => {
      if (adapters.size === 0) return "no adapter is loaded; /use PATH loads one";
      const line = ([name, source]: readonly [string, string]) => `${name === active ? "*" : " "} ${name}  ${source}`;
      return [...adapters].map(line).join("\n");
    },
  },
  system: {
    takes: "TEXT | none",
    help: "set the system message; without a text, print it",
    run: (text, { conversation }) => {
      if (text !== "") conversation.system = text === "none" ? null : text;
      return conversation.system === null ? "there is no system prompt" : `system: ${conversation.system}`;
    },
  },
  reset: {
    takes: "",
    help: "forget all turns; the system message and adapters stay",
    run: (_, { conversation }) => {
      conversation.reset();
      return "the conversation starts again";
    },
  },
  set: {
    takes: "NAME VALUE",
    help: "change how tokens are chosen, such as /set temperature 0.7; alone it shows the settings",
    run: (words, state) => (words === "" ? shown(state.settings) : set(words, state)),
  },
  save: {
    takes: "FILE",
    help: 'append the conversation to a JSONL file, as one line of {"messages"} that train reads',
    run: async (path, { conversation }) => {
      if (path === "") throw new Error("/save: where to? Give a file, such as /save chat.jsonl");
      if (conversation.messages.length === 0) throw new Error("/save: there are no turns yet");
      await appendFile(path, `${JSON.stringify({ messages: conversation.transcript })}\n`);
      return `saved to ${path}`;
    },
  },
  exit: { takes: "", help: "leave; so do Ctrl-D, and Ctrl-C twice", run: () => null },
};

/** Names of the commands, with the slash. */
export const slashNames: readonly string[] = Object.keys(commands).map((name) => `/${name}`);

/**
 * Runs a slash command and returns the text to print; null ends the chat. Throws an error that names the command for an
 * unknown name or an invalid argument.
 */
export async function runSlashCommand(line: string, state: ChatState): Promise<string | null> {
  const [, name, words] = /^\/(\S*)\s*(.*)$/s.exec(line) as RegExpExecArray;
  if (Object.hasOwn(commands, name)) return commands[name].run(words.trim(), state);
  const near = nearestName(name, Object.keys(commands));
  const hint = near === null ? "" : `did you mean /${near}? `;
  throw new Error(`there is no command /${name}; ${hint}/help lists the commands`);
}

function helpText(): string {
  const rows = Object.entries(commands).map(([name, { takes, help }]) => [`/${name} ${takes}`.trim(), help]);
  const width = Math.max(...rows.map(([usage]) => usage.length));
  const lines = rows.map(([usage, help]) => `  ${usage.padEnd(width)}  ${help}`);
  return [...lines, "A line that ends in \\ goes on in the next one. Ctrl-C stops an answer."].join("\n");
}

const shown = (settings: ChatSettings): string =>
  Object.entries(settings)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${flagOf(name)} ${value}`)
    .join(", ");

/** Returns the flag of a setting: "maxNewTokens" becomes max-new-tokens. */
const flagOf = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

function set(words: string, { settings, options }: ChatState): string {
  const [name, ...values] = words.split(/[\s=]+/).filter((word) => word !== "--" && word !== "");
  const flag = name.replace(/^--/, "");
  const all = [...options, ...samplingOptions()];
  const option = all.find(({ long }) => long === `--${flag}`);
  if (!option) {
    throw new Error(`/set: there is no setting ${flag}; there are ${all.map(({ long }) => long?.slice(2)).join(", ")}`);
  }
  const target = settings as unknown as Record<string, unknown>;
  target[option.attributeName()] = settingOf(option, flag, values);
  // Greedy decoding and sampling exclude each other, as on the command line.
  if (option.isBoolean()) for (const other of ["temperature", "topK", "topP"]) delete target[other];
  else delete target.greedy;
  return shown(settings);
}

function settingOf(option: Option, flag: string, values: readonly string[]): unknown {
  if (option.isBoolean()) return true;
  if (values.length !== 1) throw new Error(`/set ${flag} takes one value, such as /set ${flag} 1`);
  try {
    return option.parseArg?.(values[0], undefined as never);
  } catch (error) {
    throw new Error(`/set ${flag}: ${(error as Error).message}`);
  }
}
