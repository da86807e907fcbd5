import { describe, expect, test, vi } from "vitest";
import { ServingError } from "../api/api.ts";
import { confinedPath } from "./confinedPath.ts";
import { isId, nameKey, newId, now, ownerKey } from "./jobKeys.ts";
import { closing, OtherFiles } from "./storeErrors.ts";
import { diskFailure, operatorText } from "./storeFailure.ts";

describe("the path of a folder", () => {
  test.each([
    ["a", "a"],
    ["./team/sql/", "team/sql"],
    ["a b.c/d-e_f", "a b.c/d-e_f"],
    ["x".repeat(1024), "x".repeat(1024)],
    ["50%/a", "50%/a"],
  ])("%j is %j", (path, normal) => {
    expect(confinedPath(path)).toBe(normal);
  });

  test.each([
    ["x".repeat(1025), "is longer than 1024 characters"],
    ["a\u0000", "holds a control character"],
    ["a\\b", "holds a backslash"],
    ["a%2fb", "holds a percent-encoded character"],
    ["/a", "is outside the store"],
    ["s3://a", "is outside the store"],
    ["", "is empty"],
    ["a//b", "has an empty name in it"],
    ["a/../b", 'has ".." in it'],
    ["a/ ", 'has " " in it'],
    ["a./b", 'has a name that ends in "."'],
    ["a/b ", 'has a name that ends in " "'],
    ["a/b:c", 'holds a ":"'],
  ])("%j is refused", (path, why) => {
    expect(() => confinedPath(path)).toThrow(
      expect.objectContaining({ code: "invalid_request", param: "lora_path", message: expect.stringContaining(why) }),
    );
  });
});

describe("keys of a store", () => {
  test("have hashes of owners and readable names", async () => {
    expect(await ownerKey("red")).toMatch(/^[0-9a-f]{32}$/);
    expect(await ownerKey("blue")).not.toBe(await ownerKey("red"));
    expect(nameKey("Org/a_b.c-1")).toBe("Org_2f_a_5f_b.c-1");
    expect(nameKey(".a.")).toBe("_2e_a_2e_");
  });

  test("have ids that sort by time", () => {
    const clock = vi.spyOn(Date, "now").mockReturnValue(35 * 36);
    const early = newId("file");
    expect(early).toMatch(/^file-0000000z0[0-9a-z]{12}$/);
    clock.mockReturnValue(36 ** 8);
    expect(newId("file") > early).toBe(true);
    clock.mockReturnValue(1_700_000_000_999);
    expect(now()).toBe(1_700_000_000);
    clock.mockRestore();
    const lengths = new Set(Array.from({ length: 60 }, () => newId("file").length));
    expect(lengths).toEqual(new Set([26]));
    expect(isId(early, "file")).toBe(true);
    for (const bad of ["file-", "file-A", `file-${"a".repeat(41)}`, "job-a", "file-a/b"])
      expect(isId(bad, "file")).toBe(false);
  });
});

test("errors of a store name versions by 12 characters, and times to wait", () => {
  const { message } = new OtherFiles("n", "p", "0123456789abcdef", "fedcba9876543210");
  expect(message).toContain("'n' is version 0123456789ab, and the files are fedcba987654; load it again");
  expect(closing()).toMatchObject({ code: "draining", retryAfter: 5 });
});

test("failures of a disk show clients their code alone", () => {
  const coded = (code?: string) => Object.assign(new Error("no /secret"), code && { code });
  for (const code of ["ENOSPC", "EDQUOT"]) {
    const full = diskFailure(coded(code), "written", "folder");
    expect(full).toMatchObject({
      code: "insufficient_storage",
      message: "the store is full; ask its operator to make room",
    });
    expect(operatorText(full)).toBe("the store is full; ask its operator to make room: folder: no /secret");
  }
  expect(diskFailure(new Error("outer", { cause: coded("EIO") }), "read", "folder").message).toContain(
    "cannot be read (EIO)",
  );
  const plain = diskFailure(coded(), "read", "folder");
  expect(plain.message).not.toContain("(");
  expect(operatorText(plain)).toMatch(/: folder cannot be read: no \/secret$/);
  expect(operatorText(new Error("own", { cause: new Error("hidden") }))).toBe("own");
  expect(operatorText(new ServingError("unavailable", "alone"))).toBe("alone");
});
