import { expect, it } from "vitest";
import { hasNode26, runInNode26 } from "../testing/node26.ts";

// The flag is experimental in V8, and some shuffles crash it. So every function is compiled here.
it.skipIf(!hasNode26).each(["relaxed", "simd"] as const)("compiles all kernels of %s, on Node 26", (build) => {
  const program = `
    import { loadBuild } from "../builds/loadBuild.ts";
    import { loadOnDemand } from "../builds/loadOnDemand.ts";
    const options = (batchInvariant) => ({ batchInvariant, shared: false });
    const builds = [false, true].map((batchInvariant) => loadBuild("${build}", options(batchInvariant)));
    const all = [...(await Promise.all(builds)).map(({ bytes }) => bytes), await loadOnDemand("${build}", false)];
    console.log(all.map((bytes) => WebAssembly.Module.exports(new WebAssembly.Module(bytes)).length > 5).join(" "));`;
  const eager = ["--no-liftoff", "--no-wasm-lazy-compilation"];
  expect(runInNode26(program, "--experimental-wasm-revectorize", ...eager)).toBe("true true true\n");
});
