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
 * The arguments with which Node runs a file of this folder, named without its ending, as users run
 * the packages: compiled, since Node itself takes some 25 MB to read TypeScript. What is out of
 * date in the `dist` folders is built first.
 */
export async function compiledChild(path: string): Promise<string[]> {
  built ??= build();
  await built;
  const file = (name: string) => join(bench, "dist", `${name}.js`);
  return ["--import", file("lib/compiledPackages"), file(path)];
}
