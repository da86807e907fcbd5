import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test, vi } from "vitest";
import { startOfProcess, writerOf, writingId } from "./leftovers.ts";

// This file runs in a separate process, since a process computes its id once.
const read = vi.spyOn(process.getBuiltinModule("node:fs"), "readFileSync").mockImplementation(() => {
  throw Object.assign(new Error("no such file"), { code: "ENOENT" });
});
afterAll(() => read.mockRestore());

test("on systems without /proc, a process that lives is the writer", async () => {
  expect(startOfProcess("self")).toBeNull();
  const id = writingId();
  expect(id.split("-")[2]).toBe("0");
  expect(await writerOf(join(tmpdir(), `a.${id}.part`))).toBe(process.pid);
});
