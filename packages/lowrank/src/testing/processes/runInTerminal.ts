import { execFileSync, spawn } from "node:child_process";
import { join } from "node:path";

/** Python script that runs a program on a pseudo-terminal, and closes the terminal when the output matches. */
const script = `
import json, os, pty, re, sys, time
_, closes, limit, *words = sys.argv
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(words[0], words)
seen = b""
if closes == "^":
    time.sleep(0.3)
try:
    while not re.search(closes.encode(), seen):
        seen += os.read(terminal, 65536)
except OSError:
    pass
os.close(terminal)
end = time.time() + float(limit)
while True:
    found, status = os.waitpid(pid, os.WNOHANG)
    if found:
        break
    if time.time() > end:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        status = None
        break
    time.sleep(0.02)
code = None if status is None else os.waitstatus_to_exitcode(status)
print(json.dumps({"code": code, "seen": seen.decode(errors="replace")}))
`;

/** True if Python with the pty module is installed. */
export const hasTerminals: boolean = (() => {
  try {
    execFileSync("python3", ["-c", "import pty"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
})();

/** Result of a command whose terminal was closed. */
export interface ClosedTerminal {
  /** Exit code; minus the signal's number if a signal ended it; null if it had to be killed. */
  readonly code: number | null;
  /** Text on the terminal until it was closed. */
  readonly seen: string;
}

/** Runs the command on a pseudo-terminal (pty), which is closed when its text matches `closes`. */
export function runInTerminal(
  args: readonly string[],
  { cwd, closes, seconds = 30 }: { cwd: string; closes: RegExp; seconds?: number },
): Promise<ClosedTerminal> {
  const bin = join(import.meta.dirname, "../../bin.ts");
  return new Promise((resolve, reject) => {
    const words = ["-c", script, closes.source, String(seconds), process.execPath, bin, ...args];
    const child = spawn("python3", words, { cwd, env: { ...process.env, LOWRANK_DEBUG: "" } });
    let [text, failure] = ["", ""];
    child.stdout.on("data", (piece) => {
      text += piece;
    });
    child.stderr.on("data", (piece) => {
      failure += piece;
    });
    child.on("error", reject);
    child.on("close", () => {
      const last = text.trimEnd().split("\n").at(-1) ?? "";
      if (last.startsWith("{")) resolve(JSON.parse(last) as ClosedTerminal);
      else reject(new Error(`no terminal: ${failure}`));
    });
  });
}
