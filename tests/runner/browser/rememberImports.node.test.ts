import { expect, it } from "vitest";
import { rememberImports } from "./rememberImports.ts";

const pass = (load: () => unknown) => load();

/** Makes a load of an address in Vitest's form, which counts its runs. */
function loadOf(address: string, result: () => Promise<unknown>) {
  const load = Object.assign(
    () => {
      load.runs++;
      return result();
    },
    { runs: 0, toString: () => `async () => import(${address})` },
  );
  return load;
}

it("a file of the server is imported once, and each file for itself", async () => {
  const wrap = rememberImports(pass);
  const [a, b] = ["a", "b"].map((name) => loadOf(`"/packages/${name}.ts"`, async () => name));
  expect(await Promise.all([a, b, a].map(wrap))).toEqual(["a", "b", "a"]);
  expect(await wrap(loadOf(`"/packages/a.ts"`, async () => "again"))).toBe("a");
  expect([a.runs, b.runs]).toEqual([1, 1]);
});

it("what is no fixed file of the server is imported each time", async () => {
  const wrap = rememberImports(pass);
  for (const address of ["url", '"./a.ts"', '"/a.ts" + query']) {
    const load = loadOf(address, async () => 1);
    await Promise.all([wrap(load), wrap(load)]);
    expect(load.runs, address).toBe(2);
  }
});

it("a file that failed is asked for again", async () => {
  const wrap = rememberImports(pass);
  const load = loadOf(`"/a.ts"`, async () => {
    if (load.runs === 1) throw new Error("no network");
    return "a";
  });
  await expect(wrap(load)).rejects.toThrow("no network");
  expect(await wrap(load)).toBe("a");
});

it("wraps what is wrapped no further", () => {
  const wrap = rememberImports(pass);
  expect(rememberImports(wrap)).toBe(wrap);
});
