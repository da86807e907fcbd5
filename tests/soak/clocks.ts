import { existsSync, globSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const library = globSync(["/usr/lib/*/faketime/libfaketime.so.1", "/usr/lib/faketime/libfaketime.so.1"])[0];

/** True if libfaketime is installed, which sets the clock of a process. */
export const hasFakeTime: boolean = library !== undefined && existsSync(library);

/** The clocks of processes by name. Only the time of day changes, as when a machine's clock is set. */
export class Clocks {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Returns the environment variables of a process, whose clock is right at first. */
  envOf(name: string): NodeJS.ProcessEnv {
    this.jump(name, 0);
    return {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: this.#file(name),
      FAKETIME_NO_CACHE: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
      DONT_FAKE_MONOTONIC: "1",
    };
  }

  /** Sets a clock to `seconds` after the true time. */
  jump(name: string, seconds: number): void {
    writeFileSync(this.#file(name), `${seconds < 0 ? "" : "+"}${seconds}\n`);
  }

  #file(name: string): string {
    return join(this.#folder, `${name}.clock`);
  }
}
