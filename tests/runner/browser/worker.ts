// Runs test files inside this Worker, one after another, with Vitest's own runner. Vitest 5 keeps the state below for a
// page; it offers no public form of it for a Worker, so a new Vitest version may require a change here.
import { holdGarbage } from "../heldGarbage.ts";
import { rememberImports } from "./rememberImports.ts";
import type { Failure, Job, Outcome } from "./report.ts";

interface Task {
  type: "suite" | "test";
  name: string;
  mode: "run" | "skip" | "only" | "todo" | "queued";
  tasks?: Task[];
  result?: { state?: string; note?: string; errors?: Failure[] };
}

/**
 * Unhandled errors since the last report. An error that occurs late is reported with the next file; its stack names the
 * file that caused it.
 */
let stray: Failure[] = [];
const plain = ({ name, message, stack = "" }: Error | Failure): Failure => ({ name, message, stack });

function keep(thrown: unknown): void {
  stray.push(plain(thrown instanceof Error ? thrown : new Error(String(thrown))));
}

const garbage = holdGarbage();
const pass = (load: () => unknown) => load();
const remember = rememberImports(pass);

addEventListener("error", (event) => {
  // Otherwise it would end the page's wait for the report.
  event.preventDefault();
  keep(event.error ?? event.message);
});
addEventListener("unhandledrejection", (event) => keep(event.reason));
addEventListener("message", async ({ data }: MessageEvent<Job>) => {
  const outcome = await report(data);
  // The browser reports a rejection in a separate task, after the task that left it unhandled.
  await new Promise((resolve) => setTimeout(resolve));
  postMessage({ ...outcome, failures: [...outcome.failures, ...stray] });
  stray = [];
});

async function report(job: Job): Promise<Outcome> {
  try {
    return await run(job);
  } catch (error) {
    return { kind: "suite", name: job.file, state: "fail", note: "", failures: [plain(error as Error)], children: [] };
  }
}

async function run({ file, config }: Job): Promise<Outcome> {
  garbage.free(file);
  const snapshotEnvironment = noSnapshots(file);
  const state = {
    config: { ...config, snapshotOptions: { snapshotEnvironment, updateSnapshot: "none" } },
    ctx: { pool: "browser" },
    environment: { name: "worker" },
    rpc: { snapshotSaved: async () => {} },
    durations: { fetch: 0, prepare: 0, environment: 0 },
    onCleanup: () => {},
    providedContext: {},
    filepath: file,
    metaEnv: import.meta.env,
  };
  Object.assign(globalThis, {
    __vitest_worker__: state,
    __vitest_browser_runner__: { wrapModule: pass, wrapDynamicImport: remember },
  });

  // Imported only here, since both read the state above when they load.
  const [{ TestRunner }, { startTests, setupCommonEnv }] = await Promise.all([
    import("vitest"),
    import("vitest/internal/browser"),
  ]);
  class WorkerRunner extends TestRunner {
    override trace = <T>(_name: string, attributes: object | (() => T), body?: () => T): T =>
      (body ?? (attributes as () => T))();
    override onBeforeTryTask(...args: Parameters<InstanceType<typeof TestRunner>["onBeforeTryTask"]>): void {
      garbage.free(file);
      super.onBeforeTryTask(...args);
    }
    override importFile(path: string): Promise<unknown> {
      return import(/* @vite-ignore */ `${path}?inWorker`);
    }
  }
  await setupCommonEnv(state.config as never);
  const [root] = await startTests([file], new WorkerRunner(state.config as never) as never);
  return outcome(root as unknown as Task);
}

function outcome(task: Task): Outcome {
  const state = task.mode === "todo" ? "todo" : task.result?.state;
  return {
    kind: task.type,
    name: task.name,
    state: state === "pass" || state === "fail" || state === "todo" ? state : "skip",
    note: task.result?.note ?? "",
    failures: failuresOf(task),
    children: task.tasks?.map(outcome) ?? [],
  };
}

function failuresOf(task: Task): Failure[] {
  return task.result?.errors?.map(plain) ?? [];
}

function noSnapshots(file: string): object {
  const refuse = async () => {
    throw new Error(`${file}: snapshots are not kept for tests that run in a Worker`);
  };
  return {
    getVersion: () => "1",
    getHeader: () => "",
    resolvePath: async (path: string) => path,
    resolveRawPath: refuse,
    readSnapshotFile: async () => null,
    saveSnapshotFile: refuse,
    removeSnapshotFile: refuse,
  };
}
