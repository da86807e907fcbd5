import { spawnSync } from "node:child_process";

/** Counts a check: it passes if it found no problems. */
export type Check = (name: string, problems: readonly string[]) => void;

/** Returns the problems of a check; an error that it throws is a problem too. */
export async function problemsOf(check: () => Promise<string[]>): Promise<string[]> {
  try {
    return await check();
  } catch (error) {
    return [(error as Error).message];
  }
}

/** Runs a command. If it fails, `problems` describes the failure. `output` has stderr and stdout. */
export function command(
  cwd: string,
  env: NodeJS.ProcessEnv,
  ...words: readonly string[]
): { problems: string[]; stdout: string; output: string } {
  const [program, ...args] = words;
  const { status, stdout, stderr, error } = spawnSync(program, args, { cwd, env, encoding: "utf8" });
  const output = `${stderr ?? ""}\n${stdout ?? ""}`.trim();
  const last = output.split("\n").slice(-8).join("\n  ");
  const problems = status === 0 ? [] : [`${words.join(" ")} failed: ${error?.message ?? last}`];
  return { stdout, output, problems };
}
