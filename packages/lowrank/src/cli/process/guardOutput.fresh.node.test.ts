import { Socket } from "node:net";
import { Command } from "commander";
import { beforeEach, describe, expect, test, vi } from "vitest";

/** Bytes that each call of `writeSync` writes, or the error that it throws. Without one, it writes all. */
const writes = vi.hoisted(() => ({ planned: [] as (number | Error)[], texts: [] as string[] }));
vi.mock("node:fs", async (load) => ({
  ...(await load<object>()),
  writeSync: (fd: number, bytes: Uint8Array, from: number) => {
    const next = writes.planned.shift() ?? bytes.length - from;
    if (next instanceof Error) throw next;
    writes.texts.push(`${fd}:${Buffer.from(bytes.subarray(from, from + next)).toString()}`);
    return next;
  },
}));

const failure = (code?: string) => Object.assign(new Error("failed"), { code });

/** Guards a stdout, in modules whose counts are new. */
async function guarded(stdout: object) {
  vi.resetModules();
  const { guardOutput, ...output } = await import("./guardOutput.ts");
  const { codeOfOutput, savesResult } = await import("./lostOutput.ts");
  const stderr = { fd: 2, on: () => undefined, write: () => true };
  const spies = [
    vi.spyOn(process, "stdout", "get").mockReturnValue(stdout as never),
    vi.spyOn(process, "stderr", "get").mockReturnValue(stderr as never),
  ];
  guardOutput();
  for (const spy of spies) spy.mockRestore();
  return { ...output, codeOfOutput, savesResult, write: (stdout as NodeJS.WriteStream).write };
}
const file = () => ({ fd: 7, on: () => undefined, write: () => true });

beforeEach(() => {
  writes.planned = [];
  writes.texts = [];
});

describe("output to a file", () => {
  test("is written whole, in as many pieces as it takes", async () => {
    const { write, lostWrites, stdoutLostSignal } = await guarded(file());
    writes.planned = [2, 1];
    expect(write("abcd")).toBe(true);
    expect(write(Buffer.from("ef"))).toBe(true);
    await new Promise<void>((resolve) => void write("6768", "hex", () => resolve()));
    expect(writes.texts).toEqual(["7:ab", "7:c", "7:d", "7:ef", "7:gh"]);
    expect([lostWrites("stdout"), lostWrites("stderr"), stdoutLostSignal.aborted]).toEqual([null, null, false]);
  });

  test("that fails is counted, with the code of the first failure", async () => {
    const { write, lostWrites, stdoutLostSignal, StdoutLost } = await guarded(file());
    writes.planned = [failure("ENOSPC")];
    write("abc");
    expect([lostWrites("stdout"), lostWrites("stderr")]).toEqual([{ count: 1, code: "ENOSPC" }, null]);
    expect(stdoutLostSignal.reason).toBeInstanceOf(StdoutLost);
    writes.planned = [failure("EIO")];
    write("abc");
    expect(lostWrites("stdout")).toEqual({ count: 2, code: "ENOSPC" });
    // Nothing of these two was written.
    write("def");
    expect(writes.texts).toEqual(["7:def"]);
    const other = await guarded(file());
    writes.planned = [failure()];
    other.write("abc");
    expect(other.lostWrites("stdout")).toEqual({ count: 1, code: "EIO" });
  });

  test("goes on in a new line after a line that was cut", async () => {
    const { write } = await guarded(file());
    writes.planned = [1, failure("ENOSPC")];
    write("abc");
    writes.planned = [failure("ENOSPC")];
    write("lost");
    write("def");
    write("ghi");
    expect(writes.texts).toEqual(["7:a", "7:\ndef", "7:ghi"]);
    writes.planned = [1, failure("ENOSPC")];
    write("abc");
    write(Buffer.from("jkl"));
    expect(writes.texts.slice(3)).toEqual(["7:a", "7:jkl"]);
  });
});

test("output to a pipe is counted by its callback, which the writer's own follows", async () => {
  const errors: (Error | null)[] = [null, failure("EPIPE")];
  const written: unknown[] = [];
  const stdout = Object.assign(Object.create(Socket.prototype), {
    on: () => undefined,
    write: (chunk: string, encoding: unknown, done: (error: unknown) => void) => {
      written.push([chunk, encoding]);
      done(errors.shift());
      return true;
    },
  });
  const { write, lostWrites } = await guarded(stdout);
  const seen: unknown[] = [];
  write("a", "utf8", (error) => seen.push(error));
  expect(lostWrites("stdout")).toBeNull();
  write("b", (error) => seen.push((error as NodeJS.ErrnoException).code));
  expect([written, seen, lostWrites("stdout")]).toEqual([
    [
      ["a", "utf8"],
      ["b", undefined],
    ],
    [null, "EPIPE"],
    { count: 1, code: "EPIPE" },
  ]);
});

describe("the exit code of a command", () => {
  /** Returns the code and the messages after writes that failed with these codes. */
  async function codeAfter(codes: readonly string[], saves: boolean | null) {
    const { write, codeOfOutput, savesResult } = await guarded(file());
    writes.planned = codes.map(failure);
    for (const _ of codes) write("x");
    const command = new Command("x");
    if (saves !== null) savesResult(command, () => saves);
    const error = vi.spyOn(console, "error").mockImplementation(() => undefined);
    vi.stubEnv("FORCE_COLOR", "0");
    const code = await codeOfOutput(command);
    vi.unstubAllEnvs();
    const lines = error.mock.calls.flat();
    error.mockRestore();
    return [code, ...lines];
  }

  test.each<[codes: string[], saves: boolean | null, found: unknown[]]>([
    [[], false, [0]],
    [["EPIPE"], true, [0, "warning: stdout: 1 write has failed (EPIPE); the results are saved"]],
    [["ENOSPC", "EIO"], true, [0, "warning: stdout: 2 writes have failed (ENOSPC); the results are saved"]],
    [["EPIPE"], false, [141]],
    [["EPIPE", "EPIPE"], null, [141]],
    [["ENOSPC"], null, [1, "error: stdout: 1 write has failed (ENOSPC); make room, or write to another disk"]],
    [["EIO"], false, [1, "error: stdout: 1 write has failed (EIO); write to a file or a pipe"]],
  ])("after %j, where it saves a result: %s", async (codes, saves, found) => {
    expect(await codeAfter(codes, saves)).toEqual(found);
  });
});
