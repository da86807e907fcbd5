import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { ensureEnvironment, pythonVariables } from "@lowrank/conformance/environment";
import { median, printTable } from "./measure.ts";

const SIZE = 1024;
const WARM_UPS = 8;
const ROUNDS = 25;

const peers = join(import.meta.dirname, "..", "peers");

/** A process that answers each line with the milliseconds of one product. */
interface Server {
  multiply(): Promise<number>;
  end(): void;
}

async function startServer(name: string, command: string, args: string[]): Promise<Server> {
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"], env: pythonVariables });
  const failed = new Promise<never>((_, reject) => child.once("error", reject));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<string> => {
    const { done, value } = await Promise.race([lines.next(), failed]);
    if (done) throw new Error(`gemm: ${name} ended before it answered`);
    return value;
  };
  await next();
  return {
    async multiply() {
      child.stdin.write("\n");
      return Number(await next());
    },
    end: () => void child.stdin.end(),
  };
}

/** The Node 26 that the bench package has where there is one for the platform. */
function findNode26(): string | undefined {
  try {
    return createRequire(import.meta.url).resolve("node-26/bin/node");
  } catch {
    return undefined;
  }
}

/** The speed of wide SIMD under Node 26 over PyTorch's, one thread each, by median; undefined where either is absent. */
export async function measureWide(): Promise<number | undefined> {
  const node = findNode26();
  if (node === undefined) {
    console.log("absent: wide SIMD (the package node-26 is not installed: it is for linux-x64)");
    return undefined;
  }
  const { python, skipped } = await ensureEnvironment();
  if (!python) {
    console.log(`absent: PyTorch (${skipped}); wide SIMD has no ratio`);
    return undefined;
  }
  const servers = {
    "lowrank (Node 26, wide SIMD)": [node, join(peers, "wideGemmChild.ts")],
    PyTorch: [python, join(peers, "torch_gemm.py")],
  };
  const started: { name: string; server: Server; times: number[] }[] = [];
  for (const [name, [command, script]] of Object.entries(servers)) {
    started.push({ name, server: await startServer(name, command!, [script!, String(SIZE)]), times: [] });
  }
  for (let round = -WARM_UPS; round < ROUNDS; round++) {
    for (const { server, times } of started) {
      const time = await server.multiply();
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
