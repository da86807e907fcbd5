import { closeSync, existsSync, ftruncateSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fullDisk } from "@lowrank/files";
import { temporaryName, writingId } from "@lowrank/files/disk";
import type { MetricsLine } from "./metrics.ts";

/** The file of a run's measurements, a line of JSON each. */
export const metricsName = "metrics.jsonl";

/** Its name while a run works in the folder of an older one, whose results stand until its end. */
const runningName = "metrics.running.jsonl";

/** The measurements of a run, in memory and line by line in a file. */
export class MetricsLog {
  readonly lines: MetricsLine[] = [];
  readonly path: string;
  readonly #isOver: boolean;
  #text = "";
  #handle: number | null = null;
  #size = 0;

  /**
   * Opens nothing yet: the file appears with its first line. `history` has the lines of the run
   * that is resumed.
   */
  constructor(folder: string, history: string) {
    this.#isOver = ["adapter_config.json", "config.json"].some((name) => existsSync(join(folder, name)));
    this.path = join(folder, this.#isOver ? runningName : metricsName);
    this.#text = history;
    this.lines.push(...history.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line) as MetricsLine])));
  }

  /** All lines as the file has them. */
  get text(): string {
    return this.#text;
  }

  /** Adds a line to the file. Throws, with the file as it was, where the disk is full. */
  add(line: MetricsLine): void {
    this.#handle ??= this.#create();
    const text = `${JSON.stringify(line)}\n`;
    this.#write(this.#handle, text);
    this.#text += text;
    this.lines.push(line);
  }

  close(): void {
    if (this.#handle !== null) closeSync(this.#handle);
    this.#handle = null;
  }

  /** Ends the file where the folder's results have it under its own name. */
  end(): void {
    this.close();
    if (this.#isOver) rmSync(this.path, { force: true });
  }

  /** Makes the file with the lines of before, at once. */
  #create(): number {
    const part = join(dirname(this.path), temporaryName(basename(this.path), writingId(), "part"));
    const handle = openSync(part, "wx");
    try {
      this.#write(handle, this.#text);
      renameSync(part, this.path);
    } catch (error) {
      closeSync(handle);
      rmSync(part, { force: true });
      throw error;
    }
    return handle;
  }

  #write(handle: number, text: string): void {
    const bytes = new TextEncoder().encode(text);
    try {
      for (let done = 0; done < bytes.length; ) done += writeSync(handle, bytes, done, undefined, this.#size + done);
    } catch (error) {
      ftruncateSync(handle, this.#size);
      throw fullDisk(error, this.path, bytes);
    }
    this.#size += bytes.length;
  }
}

/** The lines of a run up to a checkpoint, by the file in it; none for those of older versions. */
export async function readHistory(checkpoint: string): Promise<string> {
  return readFile(join(checkpoint, metricsName), "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "";
    throw error;
  });
}
