import { appendFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import { samplingSettings } from "../../cli/options/samplingOptions.ts";
import { stdoutLostSignal } from "../../cli/process/guardOutput.ts";
import { reportFailure } from "../../cli/reportFailure.ts";
import { styled } from "../../cli/terminalView.ts";
import type { Turn } from "./conversation.ts";
import { type ChatState, runSlashCommand, slashNames } from "./slashCommands.ts";

/** Options that control what a chat prints. */
interface ConverseOptions {
  /** Prints only errors. The caller gets the turns as the result of `converse`. */
  readonly quiet: boolean;
}

/** Result of a chat: its turns, and the number of input lines that failed. */
interface Conversed {
  readonly turns: readonly Turn[];
  readonly failures: number;
}

/**
 * Reads lines from stdin and answers each, until the input ends, /exit, or two Ctrl-C in a row. A terminal gets a
 * prompt and a history. Other input is read as one turn per line.
 */
export async function converse(state: ChatState, { quiet }: ConverseOptions): Promise<Conversed> {
  const { stdin, stdout } = process;
  const isTerminal = Boolean(stdin.isTTY && stdout.isTTY);
  const history = isTerminal ? new InputHistory() : null;
  const lines = createInterface({
    input: stdin,
    ...(isTerminal && { output: stdout, prompt: styled("cyan", "> ", stdout), completer: completer(state) }),
    history: ((await history?.read()) ?? []).reverse(),
    historySize: 1000,
    removeHistoryDuplicates: true,
  });
  const interrupts = watchInterrupts(lines);
  const turns: Turn[] = [];
  let failures = 0;
  let begun = "";
  if (isTerminal) lines.prompt();
  try {
    for await (const line of lines) {
      interrupts.idle();
      if (line.endsWith("\\")) {
        begun += `${line.slice(0, -1)}\n`;
        continue;
      }
      const text = (begun + line).trim();
      begun = "";
      try {
        if (text !== "") {
          await history?.add(text.replaceAll("\n", "\\n"));
          const found = await (text.startsWith("/")
            ? command(text, state, quiet)
            : turn(text, state, interrupts, quiet));
          if (found === "exit") break;
          if (found !== null) turns.push(found);
        }
      } catch (error) {
        failures++;
        reportFailure(error);
      }
      if (interrupts.left || stdoutLostSignal.aborted) break;
      if (isTerminal) lines.prompt();
    }
  } finally {
    interrupts.end();
    lines.close();
  }
  return { turns, failures };
}

/** Runs a slash command and prints its answer. */
async function command(text: string, state: ChatState, quiet: boolean): Promise<"exit" | null> {
  const said = await runSlashCommand(text, state);
  if (said === null) return "exit";
  if (!quiet) console.error(styled("dim", said, process.stderr));
  return null;
}

async function turn(text: string, state: ChatState, interrupts: Interrupts, quiet: boolean): Promise<Turn> {
  const { conversation, settings } = state;
  const write = (piece: string) => void (quiet || process.stdout.write(piece));
  const found = await interrupts.during((stop) =>
    conversation.answer(text, {
      ...samplingSettings(settings),
      // Each turn gets another seed, so that equal questions can get different answers.
      seed: settings.seed + conversation.messages.length,
      maxNewTokens: settings.maxNewTokens,
      signal: AbortSignal.any([stop, stdoutLostSignal]),
      onText: write,
    }),
  );
  write("\n");
  if (process.stderr.isTTY && !quiet) console.error(styled("dim", costs(found), process.stderr));
  return found;
}

function costs({ promptTokens, reusedTokens, newTokens, seconds, interrupted }: Turn): string {
  const rate = newTokens > 0 ? `, ${(newTokens / seconds).toFixed(1)} tokens/s` : "";
  return `${interrupted ? "stopped after " : ""}${newTokens} tokens${rate}; ${promptTokens - reusedTokens} of ${promptTokens} prompt tokens were new`;
}

/** Handler of Ctrl-C: the first stops an answer, and two in a row end the chat. */
interface Interrupts {
  /** True once the user has ended the chat by Ctrl-C. */
  readonly left: boolean;
  /** Called after other input, so that the next Ctrl-C counts as the first again. */
  idle(): void;
  /**
   * Runs `work`, which generates one answer. The first Ctrl-C while `work` runs aborts the signal that is passed to it.
   */
  during<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T>;
  /** Stops handling Ctrl-C. */
  end(): void;
}

function watchInterrupts(lines: Interface): Interrupts {
  let controller: AbortController | null = null;
  let [warned, left] = [false, false];
  const onInterrupt = () => {
    if (controller && !controller.signal.aborted) {
      controller.abort();
      warned = true;
      return;
    }
    if (warned) {
      left = true;
      lines.close();
      return;
    }
    warned = true;
    console.error(styled("dim", "\nCtrl-C once more leaves", process.stderr));
    if (lines.terminal) lines.prompt();
  };
  // In a terminal, the line editor handles Ctrl-C; otherwise the process receives the signal.
  lines.on("SIGINT", onInterrupt);
  process.on("SIGINT", onInterrupt);
  return {
    get left() {
      return left;
    },
    idle: () => {
      warned = false;
    },
    during: async (work) => {
      controller = new AbortController();
      try {
        return await work(controller.signal);
      } finally {
        controller = null;
      }
    },
    end: () => void process.off("SIGINT", onInterrupt),
  };
}

/** Completes slash commands, and adapter names after /use. */
function completer({ conversation }: ChatState): (line: string) => [string[], string] {
  return (line) => {
    const all = line.startsWith("/use ")
      ? [...conversation.adapters.keys(), "none"].map((name) => `/use ${name}`)
      : slashNames;
    return [all.filter((word) => word.startsWith(line)), line];
  };
}

/** Maximum number of lines that the history file keeps. */
const most = 1000;

/** Returns the user's folder for program state that is not configuration. */
function stateFolder(): string {
  const { XDG_STATE_HOME, LOCALAPPDATA } = process.env;
  const home = XDG_STATE_HOME || (process.platform === "win32" && LOCALAPPDATA) || join(homedir(), ".local", "state");
  return join(home, "lowrank");
}

/** History of the lines that a user typed into chats, in a file that only this user may read. */
export class InputHistory {
  readonly path: string = join(stateFolder(), "chat_history");

  /** Reads the lines, oldest first; an empty list if there is no file. */
  async read(): Promise<string[]> {
    const text = await readFile(this.path, "utf8").catch(() => "");
    const lines = text.split("\n").filter((line) => line !== "");
    if (lines.length > 2 * most) await writeFile(this.path, `${lines.slice(-most).join("\n")}\n`).catch(() => {});
    return lines.slice(-most);
  }

  /** Adds a line. Does nothing if the folder cannot be written to. */
  async add(line: string): Promise<void> {
    try {
      await mkdir(dirname(this.path), { recursive: true, mode: 0o700 });
      await appendFile(this.path, `${line}\n`, { mode: 0o600 });
    } catch {
      // A chat works without its history.
    }
  }
}
