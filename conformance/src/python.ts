import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { pythonVariables } from "./environment.ts";

const server = fileURLToPath(new URL("../python/server.py", import.meta.url));

interface Answer {
  id: number;
  result?: unknown;
  error?: string;
}

/** A Python process that runs PEFT. It is started once and receives many commands. */
export class Python implements AsyncDisposable {
  /** Versions of torch, transformers and peft. */
  readonly versions: Record<string, string>;
  readonly #process: ChildProcess;
  readonly #answers: AsyncIterator<string>;
  readonly #complaints: string[];
  #last = 0;

  private constructor(
    child: ChildProcess,
    answers: AsyncIterator<string>,
    complaints: string[],
    versions: Record<string, string>,
  ) {
    this.#process = child;
    this.#answers = answers;
    this.#complaints = complaints;
    this.versions = versions;
  }

  /** Starts the process. Importing the packages takes some seconds. */
  static async start(python: string): Promise<Python> {
    const child = spawn(python, [server], { env: pythonVariables, stdio: ["pipe", "pipe", "pipe"] });
    const complaints: string[] = [];
    child.on("error", (error) => complaints.push(error.message));
    child.stderr.on("data", (chunk) => {
      complaints.push(String(chunk));
      if (complaints.length > 20) complaints.shift();
    });
    const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const { result } = await nextAnswer(answers, complaints);
    return new Python(child, answers, complaints, result as Record<string, string>);
  }

  /** Runs one command on the server, after all earlier ones. Throws with Python's traceback if it fails. */
  async ask<T>(command: string, args: Record<string, unknown>): Promise<T> {
    const id = ++this.#last;
    this.#process.stdin!.write(`${JSON.stringify({ id, command, args })}\n`);
    const answer = await nextAnswer(this.#answers, this.#complaints);
    if (answer.id !== id) throw new Error(`Python answered request ${answer.id} where ${id} was expected`);
    if (answer.error) throw new Error(`${command} failed in Python:\n${answer.error}`);
    return answer.result as T;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode !== null) return;
    const closed = new Promise((resolve) => this.#process.once("close", resolve));
    this.#process.stdin!.end();
    await closed;
  }
}

async function nextAnswer(answers: AsyncIterator<string>, complaints: string[]): Promise<Answer> {
  const line = await answers.next();
  if (line.done) throw new Error(`Python ended before it answered:\n${complaints.join("")}`);
  return JSON.parse(line.value) as Answer;
}
