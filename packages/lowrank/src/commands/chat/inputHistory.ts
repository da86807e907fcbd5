import { appendFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";

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
