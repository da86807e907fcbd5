import { join } from "node:path";
import { type StartedProcess, startProcess, untilAnswers } from "@lowrank/test-support/process";

const root = join(import.meta.dirname, "../..");
const lowrank = join(root, "packages/lowrank/src/bin.ts");
const common = {
  // Sources are compiled once for all replicas.
  NODE_COMPILE_CACHE: join(root, "node_modules/.cache/compiled"),
  // By default V8 lets garbage grow by hundreds of MB before it collects, which hides a leak.
  NODE_OPTIONS: "--max-old-space-size=96 --max-semi-space-size=4",
};

/** Options of a `Replica`. */
export interface ReplicaOptions {
  readonly name: string;
  readonly port: number;
  /** The folder of its log. */
  readonly folder: string;
  /** The arguments of `lowrank serve`, without the port. */
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
}

/** One server of a deployment: `lowrank serve`, which can be killed, stopped and restarted. */
export class Replica {
  readonly name: string;
  readonly port: number;
  readonly url: string;
  readonly log: string;
  readonly #options: ReplicaOptions;
  #process: StartedProcess | null = null;
  #isEnding = false;
  /** Unexpected ends of processes: an exit code or a signal each. */
  readonly crashes: (number | NodeJS.Signals)[] = [];

  constructor(options: ReplicaOptions) {
    this.#options = options;
    this.name = options.name;
    this.port = options.port;
    this.url = `http://127.0.0.1:${options.port}`;
    this.log = join(options.folder, `${options.name}.log`);
  }

  /** The current process; null before the first start. */
  get process(): StartedProcess | null {
    return this.#process;
  }

  /** Starts it, and resolves when it accepts requests. */
  async start(): Promise<void> {
    const { args, env, port } = this.#options;
    this.#isEnding = false;
    const command = [process.execPath, lowrank, "serve", ...args, "--port", String(port)];
    this.#process = startProcess(command, { log: this.log, env: { ...common, ...env } });
    void this.#process.ended.then((how) => {
      if (!this.#isEnding) this.crashes.push(how);
    });
    await untilAnswers(`${this.url}/ready`, this.#process, this.log);
  }

  /** Kills it in the middle of its work: kill -9. */
  kill(): Promise<number | NodeJS.Signals> {
    return this.#end("SIGKILL");
  }

  /** Sends SIGTERM, after which it finishes its requests and exits. Resolves to its exit code. */
  stop(): Promise<number | NodeJS.Signals> {
    return this.#end("SIGTERM");
  }

  async #end(signal: NodeJS.Signals): Promise<number | NodeJS.Signals> {
    if (!this.#process) throw new Error(`${this.name} was never started`);
    this.#isEnding = true;
    this.#process.kill(signal);
    return this.#process.ended;
  }
}
