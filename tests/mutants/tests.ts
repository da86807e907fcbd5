import { type ChildProcess, fork } from "node:child_process";
import { join } from "node:path";
import type { Answer, Order } from "./tester.ts";

/** A test takes at most 60 s. A process without a message for longer is in an endless loop. */
const silentMs = 150_000;

/** Runs the tests of a copy of the repository in a second process, which is replaced if it hangs. */
export class Tests {
  readonly #copy: string;
  #child: ChildProcess | undefined;
  /** Test files that fail without any change. */
  readonly broken = new Set<string>();
  /** Test files that passed without any change. */
  readonly #sound = new Set<string>();

  constructor(copy: string) {
    this.#copy = copy;
  }

  /**
   * Returns how the change of a file is detected, or null if no test of its package fails. `restored` runs `body`
   * without the change. A test that also fails without it does not count.
   */
  async noticedBy(changed: string, restored: <T>(body: () => Promise<T>) => Promise<T>): Promise<string | null> {
    for (;;) {
      const answer = await this.#ask({ changed, without: [...this.broken] });
      if (answer === "silent") return "a loop that does not end";
      if (answer.failed.length === 0) return null;
      const fresh = answer.failed.filter((name) => !this.#sound.has(name));
      const again = await restored(() => this.#ask({ changed, without: [], tests: fresh }));
      const bad = again === "silent" ? fresh : again.failed;
      for (const name of fresh) (bad.includes(name) ? this.broken : this.#sound).add(name);
      const noticed = answer.failed.find((name) => !bad.includes(name));
      if (noticed) return `${answer.beside ? "beside it" : "in its package"}: ${noticed}`;
    }
  }

  #ask(order: Order): Promise<Exclude<Answer, "alive"> | "silent"> {
    const child = this.#child ?? this.#start();
    return new Promise((resolve, reject) => {
      let timer: NodeJS.Timeout;
      const settle = (end: () => void) => {
        clearTimeout(timer);
        child.off("message", onMessage).off("exit", onExit);
        end();
      };
      const wait = () => {
        clearTimeout(timer);
        timer = setTimeout(() => {
          settle(() => resolve("silent"));
          this.end();
        }, silentMs);
      };
      const onMessage = (answer: Answer) => (answer === "alive" ? wait() : settle(() => resolve(answer)));
      const onExit = () => settle(() => reject(new Error("mutants: the process that runs the tests ended early")));
      child.on("message", onMessage).on("exit", onExit);
      wait();
      child.send(order);
    });
  }

  #start(): ChildProcess {
    const child = fork(join(this.#copy, "tests/mutants/tester.ts"), {
      cwd: this.#copy,
      detached: true,
      stdio: ["ignore", "ignore", "inherit", "ipc"],
      env: { ...process.env, CI: "true" },
    });
    this.#child = child;
    return child;
  }

  /** Ends the process and its children. */
  end(): void {
    const pid = this.#child?.pid;
    this.#child?.removeAllListeners();
    this.#child = undefined;
    try {
      if (pid) process.kill(-pid, "SIGKILL");
    } catch {
      // It has ended already.
    }
  }
}
