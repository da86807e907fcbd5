import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const source = new URL("./youngObjects.ts", import.meta.url).href;

/** Returns the bytes of the young space of a process that creates many short-lived objects. */
async function youngBytes(before: string): Promise<number> {
  const code = `
    import { getHeapSpaceStatistics } from "node:v8";
    ${before}
    let kept = [];
    for (let i = 0; i < 3e6; i++) {
      kept.push({ i });
      if (kept.length === 50000) kept = [];
    }
    console.log(getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space").space_size);
  `;
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", code]);
  return Number(stdout);
}

test("the space of young objects stays small", async () => {
  const [free, kept] = await Promise.all(
    ["", `(await import(${JSON.stringify(source)})).keepYoungSpaceSmall();`].map(youngBytes),
  );
  expect(kept).toBeLessThan(5e6);
  expect(free).toBeGreaterThan(2 * kept);
});
