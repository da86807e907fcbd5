import { execFile, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { pythonVariables } from "@lowrank/conformance/environment";

/** A process that answers each input line with an output line. */
export interface LineServer {
  /** The line that the process printed when it was ready. */
  readonly greeting: string;
  ask(): Promise<string>;
  end(): void;
}

/** Starts a program that prints a line when it is ready, and then one for every input line. */
export async function startLineServer(command: string, args: string[]): Promise<LineServer> {
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"], env: pythonVariables });
  const failed = new Promise<never>((_, reject) => child.once("error", reject));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<string> => {
    const { done, value } = await Promise.race([lines.next(), failed]);
    if (done) throw new Error(`${command} ${args[0]} ended before it answered`);
    return value;
  };
  return {
    greeting: await next(),
    ask: () => {
      child.stdin.write("\n");
      return next();
    },
    end: () => void child.stdin.end(),
  };
}

const bench = join(import.meta.dirname, "..");
const tsc = join(bench, "../node_modules/typescript/bin/tsc");

let built: Promise<void> | undefined;

async function build(): Promise<void> {
  await promisify(execFile)(process.execPath, [tsc, "-b", bench]).catch(({ stdout, message }) => {
    throw new Error(`bench: the packages do not compile: ${stdout || message}`);
  });
}

/**
 * Returns the arguments with which Node runs a file of the bench folder (path without extension), compiled as users run
 * the packages. Without compilation, Node would use about 25 MB to read TypeScript. Builds outdated `dist` folders
 * first.
 */
export async function compiledChild(path: string): Promise<string[]> {
  built ??= build();
  await built;
  const file = (name: string) => join(bench, "dist", `${name}.js`);
  return ["--import", file("lib/compiledPackages"), file(path)];
}
