import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";

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
