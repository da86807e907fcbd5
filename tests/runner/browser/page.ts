import { describe, test } from "vitest";
import type { Failure, Outcome } from "./report.ts";

const limitMs = 600_000;

/** The page's Worker, which runs one file after another, so that shared modules are loaded once. */
let sharedWorker: Worker | undefined;

/** Runs a test file in the page's Worker, then declares each of its tests here with the same result. */
export async function runInWorker(file: string): Promise<void> {
  const outcome = await outcomeOf(file);
  if (outcome.failures.length > 0)
    test("the file loads and leaves no error behind", () => throwFirst(outcome.failures));
  for (const child of outcome.children) declare(child);
}

/** Waits for the Worker's report. A Worker that does not report is replaced by a new one for the next file. */
function outcomeOf(file: string): Promise<Outcome> {
  const { config } = (globalThis as unknown as { __vitest_browser_runner__: { config: object } })
    .__vitest_browser_runner__;
  sharedWorker ??= new Worker(new URL("./worker.ts", import.meta.url), { type: "module", name: "tests" });
  const worker = sharedWorker;
  return new Promise<Outcome>((resolve, reject) => {
    const fail = (reason: string) => {
      clearTimeout(timer);
      worker.terminate();
      sharedWorker = undefined;
      reject(new Error(`${file}: ${reason}`));
    };
    const timer = setTimeout(() => fail(`still running in its Worker after ${limitMs} ms`), limitMs);
    worker.onmessage = ({ data }: MessageEvent<Outcome>) => {
      clearTimeout(timer);
      resolve(data);
    };
    worker.onerror = (event) => fail(`the Worker failed: ${event.message || "could not load"}`);
    worker.onmessageerror = () => fail("the Worker sent a report that cannot be read");
    worker.postMessage({ file, config });
  });
}

function declare(outcome: Outcome): void {
  if (outcome.kind === "suite") {
    describe(outcome.name, () => {
      if (outcome.failures.length > 0) test("suite hooks", () => throwFirst(outcome.failures));
      for (const child of outcome.children) declare(child);
    });
  } else if (outcome.state === "todo") test.todo(outcome.name);
  else
    test(outcome.name, (context) => {
      if (outcome.state === "skip") context.skip(outcome.note);
      throwFirst(outcome.failures);
      if (outcome.state === "fail") throw new Error("failed in the Worker without an error");
    });
}

function throwFirst(failures: Failure[]): void {
  const [first] = failures;
  if (first === undefined) return;
  throw Object.assign(new Error(first.message), { name: first.name, stack: first.stack });
}
