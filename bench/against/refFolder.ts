import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { UsageError } from "../lib/usageError.ts";

const run = promisify(execFile);

/** A temporary folder with a commit's sources and dependencies, compiled. */
export interface RefFolder extends AsyncDisposable {
  path: string;
  /** The full commit hash. */
  commit: string;
}

/** Compiles the packages and benchmarks of a source folder. */
export async function compile(root: string): Promise<void> {
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  await run(process.execPath, [tsc, "-b", "--force", root], { cwd: root }).catch(({ stdout, message }) => {
    throw new Error(`bench: ${root} does not compile: ${stdout || message}`);
  });
}

/**
 * Checks out the commit `ref` to a temporary folder, as a git worktree of this repository. Throws if there is no such
 * commit.
 */
export async function checkOutRef(root: string, ref: string): Promise<RefFolder> {
  const git = async (...args: string[]) => (await run("git", args, { cwd: root })).stdout.trim();
  const commit = await git("rev-parse", "--verify", "--quiet", `${ref}^{commit}`).catch(() => {
    throw new UsageError(`--against ${ref}: there is no such commit; give a branch, a tag or a hash`);
  });
  const path = await mkdtemp(join(tmpdir(), "lowrank-against-"));
  const remove = async () => {
    await git("worktree", "remove", "--force", path).catch(() => {});
    await rm(path, { recursive: true, force: true });
  };
  try {
    await git("worktree", "add", "--detach", "--force", path, commit);
    const { packageManager } = JSON.parse(await readFile(join(path, "package.json"), "utf8"));
    const env = { ...process.env, CI: "true", PATH: pathWithout(join(root, "node_modules")) };
    const install = ["-y", packageManager, "install", "--frozen-lockfile", "--prefer-offline"];
    await run("npx", install, { cwd: path, env, maxBuffer: 2 ** 26 });
    await compile(path);
  } catch (error) {
    await remove();
    throw error;
  }
  return { path, commit, [Symbol.asyncDispose]: remove };
}

/** Returns PATH without folders of a dependency tree, whose tools belong to another commit. */
function pathWithout(folder: string): string {
  const parts = (process.env.PATH ?? "").split(delimiter);
  return parts.filter((part) => !part.startsWith(folder) && existsSync(part)).join(delimiter);
}
