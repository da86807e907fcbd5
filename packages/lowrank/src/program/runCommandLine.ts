import { type Command, CommanderError } from "commander";
import { beginJson, printJsonError, printsJson } from "../cli/json.ts";
import { loadPlugins, pluginFiles } from "../cli/options/plugins.ts";
import { pluginsOf, readRunFile, runFileIn } from "../cli/options/runFile.ts";
import { EndWith } from "../cli/process/endWith.ts";
import { StdoutLost } from "../cli/process/guardOutput.ts";
import { Interrupted } from "../cli/process/interrupt.ts";
import { codeOfOutput } from "../cli/process/lostOutput.ts";
import { reportFailure } from "../cli/reportFailure.ts";
import { checkForeignFlags, createProgram, errorCodes, runFileCommands } from "./program.ts";

/**
 * Runs the `lowrank` command with the arguments after its name, and returns its exit code. Uses this process's stdin,
 * stdout and stderr; errors are printed on stderr. With --json, an error is also printed on stdout as the JSON object.
 */
export async function runCommandLine(words: readonly string[]): Promise<number> {
  const json = printsJson(words);
  const errorCode = errorCodes.get(words[0]) ?? 1;
  beginJson();
  let running: Command | null = null;
  try {
    const found = runFileIn(words, runFileCommands);
    const runFile = found && (await readRunFile(found.path));
    const plugins = [...(runFile ? pluginsOf(runFile) : []), ...pluginFiles(words)];
    await loadPlugins(plugins);
    const program = createProgram(plugins, runFile);
    program.hook("preAction", (_, command) => {
      running = command;
    });
    checkForeignFlags(found?.words ?? words, program);
    await program.parseAsync(found?.words ?? words, { from: "user" });
    return await codeOfOutput(running);
  } catch (error) {
    // Commander has already printed its help, the version or the error.
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return codeOfOutput(null);
      if (json) printJsonError(error.message.replace(/^error: /, ""));
      return errorCode;
    }
    if (error instanceof Interrupted || error instanceof EndWith) return error.exitCode;
    if (error instanceof StdoutLost) return codeOfOutput(running);
    const message = reportFailure(error, running);
    if (json) printJsonError(message);
    return errorCode;
  }
}
