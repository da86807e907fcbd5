import { createRequire } from "node:module";
import { join } from "node:path";
import { ensureEnvironment } from "@lowrank/conformance/environment";
import { compiledChild, type LineServer, startLineServer } from "./lineServer.ts";
import { median, printTable } from "./measure.ts";

const SIZE = 1024;
const WARM_UPS = 8;
const ROUNDS = 25;

const torch = join(import.meta.dirname, "../peers/torch_gemm.py");

/**
 * Returns the speed of wide SIMD under Node 26 over PyTorch's, one thread each, by median; undefined if either is
 * missing.
 */
export async function measureWide(): Promise<number | undefined> {
  const node = findNode26();
  if (node === undefined) return undefined;
  const { python, skipped } = await ensureEnvironment();
  if (!python) {
    console.log(`absent: PyTorch (${skipped}); wide SIMD has no ratio`);
    return undefined;
  }
  const servers = {
    "lowrank (Node 26, wide SIMD)": [node, ...(await compiledChild("peers/wideGemmChild"))],
    PyTorch: [python, torch],
  };
  const started: { name: string; server: LineServer; times: number[] }[] = [];
  for (const [name, [command, ...args]] of Object.entries(servers)) {
    started.push({ name, server: await startLineServer(command!, [...args, String(SIZE)]), times: [] });
  }
  for (let round = -WARM_UPS; round < ROUNDS; round++) {
    for (const { server, times } of started) {
      const time = Number(await server.ask());
      if (round >= 0) times.push(time);
    }
  }
  for (const { server } of started) server.end();
  const gflops = (time: number) => ((2 * SIZE ** 3) / time / 1e6).toFixed(1);
  console.log(`\nn=${SIZE}, A*B, one thread, GFLOP/s`);
  const rows = started.map(({ name, times }) => [name, gflops(median(times)), gflops(Math.min(...times))]);
  printTable(["", "median", "best"], rows);
  const [ours, theirs] = started.map(({ times }) => median(times));
  return theirs! / ours!;
}

/** Returns the path of the bench package's Node 26; undefined, after a notice, if there is none for this platform. */
export function findNode26(): string | undefined {
  try {
    return createRequire(import.meta.url).resolve("node-26/bin/node");
  } catch {
    console.log("absent: wide SIMD (the package node-26 is not installed: it is for linux-x64)");
    return undefined;
  }
}
