import { type Backend, matmul, reference, relu, tensor } from "@lowrank/core";
import { definedOps } from "@lowrank/core/testing";
import { expect, it } from "vitest";
import { type Check, equal } from "../check/compare.ts";
import type { GoldenPart } from "../check/goldenFiles.ts";
import type { GoldenBackend } from "./backends.ts";
import { checksOn } from "./checksOn.ts";

const product: GoldenPart = {
  name: "test/product",
  checks: async function* () {
    const a = tensor([[2]]);
    yield equal("product", await relu(matmul(a, a)).data(), [4]);
  },
};

const broken: GoldenPart = {
  name: "test/broken",
  // biome-ignore lint/correctness/useYield: it fails before its first check.
  checks: async function* () {
    throw new Error("no such file");
  },
};

/** A backend with separate kernels, which here call the reference; it lacks a kernel for relu. */
function device(): Backend {
  const host = reference();
  const own: Pick<Backend, "run" | "supports"> = {
    supports: ({ name }) => name !== "relu",
    run: ({ name }, ...call) => host.run(definedOps().get(name) as never, ...call),
  };
  return Object.assign(Object.create(host), own);
}

async function* parts(...all: GoldenPart[]): AsyncGenerator<GoldenPart> {
  yield* all;
}

async function all(backend: GoldenBackend, of = parts(product), only: string[] = []): Promise<Check[]> {
  const found: Check[] = [];
  for await (const check of checksOn(backend, of, { only, counted: true })) found.push(check);
  return found;
}

it("a run on a device fails where ops ran on the host, and tells their number", async () => {
  const onHost = await all({ name: "test", start: reference, onDevice: true });
  expect(onHost.map(({ name }) => name)).toEqual(["product", "op calls"]);
  expect(onHost[1]).toEqual({
    name: "op calls",
    note: expect.stringContaining("2 on the host, by the reference's loops (matmul, relu)"),
    error: expect.stringContaining("2 ran on the host"),
  });
});

it("a run on the host may", async () => {
  const [, calls] = await all({ name: "test", start: reference });
  expect(calls.note).toContain("2 on the host");
  expect(calls.error).toBeUndefined();
});

it("compositions of kernels are on the device", async () => {
  const [, calls] = await all({ name: "test", start: device, onDevice: true });
  expect(calls.note).toContain(" 0 on the host, by the reference's loops; 1 composed (relu)");
  expect(calls.error).toBeUndefined();
});

it("goes on behind a part that fails", async () => {
  const checks = await all({ name: "test", start: reference }, parts(broken, product));
  expect(checks.map(({ name }) => name)).toEqual(["the rest of test/broken", "product", "op calls"]);
  expect(checks[0].error).toContain("no such file");
});

it("takes the parts that are named, and fails for a name that no part has", async () => {
  const backend: GoldenBackend = { name: "test", start: reference };
  const names = async (...only: string[]) => (await all(backend, parts(product, broken), only)).map(({ name }) => name);
  expect(await names("test/product")).toEqual(["product", "op calls"]);
  expect(await names("test")).toEqual(["product", "the rest of test/broken", "op calls"]);
  const [missing] = await all(backend, parts(product), ["tes"]);
  expect(missing).toEqual({ name: "tes", error: "no part of the golden data has this name" });
});

it("says why there is no backend", async () => {
  const backend: GoldenBackend = { name: "test", start: async () => "no driver", onDevice: true };
  expect(await all(backend)).toEqual([{ name: "all", skipped: "no driver" }]);
});
