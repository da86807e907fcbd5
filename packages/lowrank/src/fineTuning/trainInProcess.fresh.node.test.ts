import { EventEmitter } from "node:events";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { trainInProcess } from "./trainInProcess.ts";

/** A child process that only records what it is sent. */
class Child extends EventEmitter {
  connected = true;
  readonly sent: object[] = [];
  readonly killed: string[] = [];
  readonly send = (message: object) => this.sent.push(message);
  readonly kill = (signal: string) => this.killed.push(signal);
}
let child: Child;
const fork = vi.hoisted(() => vi.fn());
vi.mock("node:child_process", async (load) => ({ ...(await load<object>()), fork }));

beforeEach(() => {
  child = new Child();
  fork.mockReset().mockReturnValue(child);
});
afterEach(() => {
  vi.useRealTimers();
});

const order = { job: { id: "ftjob-1" } } as never;
const failure = (end: Promise<unknown>) => end.then(String, (error) => `${error.name}: ${error.message}`);

describe("a job in a process", () => {
  test("gets its order and the plugins, and answers with its outcome", async () => {
    const end = trainInProcess(order, ["a.mjs"], new AbortController().signal);
    const [script, plugins, options] = fork.mock.calls[0];
    expect([script, plugins]).toEqual([expect.stringMatching(/fineTuning[\\/]jobProcess\.ts$/), ["a.mjs"]]);
    expect(options).toEqual({ stdio: ["ignore", "ignore", "inherit", "ipc"] });
    expect(child.sent).toEqual([{ order }]);
    const trained = { trainedTokens: 3, resultFiles: [], writesAdapter: true };
    child.emit("message", { trained });
    child.emit("close", 0, null);
    expect(await end).toEqual(trained);
  });

  test.each<[string, object | null, [number | null, string | null], string]>([
    ["refuses it", { refused: { code: "c", message: "bad", param: null } }, [0, null], "JobRefused: bad"],
    ["stops", { stopped: true }, [0, null], "JobStopped: "],
    ["fails", { failed: "no room" }, [0, null], "Error: no room"],
    ["exits", null, [7, null], "Error: the process that trained it ended with exit code 7"],
    ["is killed", null, [null, "SIGKILL"], "Error: the process that trained it ended with SIGKILL"],
  ])("that %s rejects", async (_, outcome, close, message) => {
    const end = failure(trainInProcess(order, [], new AbortController().signal));
    if (outcome) child.emit("message", outcome);
    child.emit("close", ...close);
    expect(await end).toContain(message);
  });

  test("that cannot start rejects with the error", async () => {
    const end = failure(trainInProcess(order, [], new AbortController().signal));
    child.emit("error", new Error("ENOENT"));
    expect(await end).toBe("Error: ENOENT");
  });

  test("is stopped once, and killed after a minute", async () => {
    vi.useFakeTimers();
    const stop = new AbortController();
    const end = failure(trainInProcess(order, [], stop.signal));
    stop.abort();
    expect(child.sent).toEqual([{ order }, { stop: true }]);
    vi.advanceTimersByTime(59_999);
    expect(child.killed).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(child.killed).toEqual(["SIGKILL"]);
    child.emit("close", null, "SIGKILL");
    expect(await end).toContain("JobStopped");
  });

  test("that ends in time after a stop is not killed, and one without a connection is sent nothing", async () => {
    vi.useFakeTimers();
    const stop = new AbortController();
    child.connected = false;
    const end = failure(trainInProcess(order, [], stop.signal));
    stop.abort();
    child.emit("close", 0, null);
    expect(await end).toContain("JobStopped");
    expect([vi.getTimerCount(), child.sent, child.killed]).toEqual([0, [], []]);
  });

  test("whose signal has aborted already is killed at once", async () => {
    const end = failure(trainInProcess(order, [], AbortSignal.abort()));
    expect([child.killed, child.sent]).toEqual([["SIGKILL"], []]);
    child.emit("close", null, "SIGKILL");
    expect(await end).toContain("JobStopped");
  });
});
