import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, rm, stat, statfs, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const requirements = fileURLToPath(new URL("../requirements.txt", import.meta.url));
/** Python versions for which the pinned packages are published. */
const versions = ["3.11", "3.12", "3.13", "3.14"];
/** Disk space for the installation: 4.3 GB for the packages, plus their archives until it ends. */
const neededBytes = 7e9;

/** Environment variables of every Python process: no network, no GPU, no packages of the user. */
export const pythonVariables: NodeJS.ProcessEnv = {
  ...process.env,
  HF_HUB_OFFLINE: "1",
  TRANSFORMERS_OFFLINE: "1",
  TOKENIZERS_PARALLELISM: "false",
  CUDA_VISIBLE_DEVICES: "",
  PYTHONNOUSERSITE: "1",
  PYTHONWARNINGS: "ignore",
  PYTHONDONTWRITEBYTECODE: "1",
};

/** An interpreter with the pinned packages, or the reason why there is none. */
export type Environment = { python: string; skipped?: undefined } | { python?: undefined; skipped: string };

/**
 * Returns the Python with PyTorch, transformers, PEFT and bitsandbytes at the versions of requirements.txt. Creates it
 * on first use in `conformance/.venv`, or in the folder that `LOWRANK_VENV` names. `LOWRANK_PYTHON` names an existing
 * interpreter, or the folder of a virtual environment, to use unchanged. Throws if that one lacks the packages, or if
 * the installation fails.
 */
export async function ensureEnvironment(): Promise<Environment> {
  const given = process.env.LOWRANK_PYTHON;
  if (given) {
    const python = (await stat(given)).isDirectory() ? interpreterOf(given) : given;
    await checkImports(python);
    return { python };
  }
  const folder = process.env.LOWRANK_VENV || fileURLToPath(new URL("../.venv", import.meta.url));
  const python = interpreterOf(folder);
  const stamp = join(folder, "requirements.sha256");
  const hash = createHash("sha256")
    .update(await readFile(requirements))
    .digest("hex");
  if (existsSync(python) && existsSync(stamp) && (await readFile(stamp, "utf8")) === hash) return { python };

  const system = await findPython();
  if (!system) return { skipped: `no Python ${versions[0]} to ${versions.at(-1)} with venv found` };
  // Removes an incomplete installation, or one of other requirements.
  await rm(folder, { recursive: true, force: true });
  await mkdir(dirname(folder), { recursive: true });
  const disk = await statfs(dirname(folder));
  const free = disk.bavail * disk.bsize;
  if (free < neededBytes)
    return { skipped: `no room on the disk: ${gigabytes(free)} free, ${gigabytes(neededBytes)} needed` };

  process.stderr.write(`Installing PyTorch, transformers and PEFT into ${folder} (4.3 GB, a minute or two) ... `);
  const start = performance.now();
  await run(system, ["-m", "venv", folder]);
  const downloads = join(folder, "downloads");
  await mkdir(downloads);
  const pip = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-cache-dir", "--only-binary=:all:"];
  await run(python, [...pip, "-r", requirements], { env: { ...pythonVariables, TMPDIR: downloads } });
  await rm(downloads, { recursive: true });
  await checkImports(python);
  await writeFile(stamp, hash);
  process.stderr.write(`${Math.round((performance.now() - start) / 1000)} s\n`);
  return { python };
}

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;

function interpreterOf(venv: string): string {
  return process.platform === "win32" ? join(venv, "Scripts", "python.exe") : join(venv, "bin", "python");
}

async function checkImports(python: string): Promise<void> {
  await run(python, ["-c", "import torch, transformers, peft, bitsandbytes"], { env: pythonVariables });
}

async function findPython(): Promise<string | undefined> {
  for (const name of ["python3", ...versions.map((version) => `python${version}`), "python"]) {
    const probe = "import ensurepip, sys, venv; print('.'.join(map(str, sys.version_info[:2])))";
    const version = await run(name, ["-c", probe]).then(
      (result) => result.stdout.trim(),
      () => "",
    );
    if (versions.includes(version)) return name;
  }
  return undefined;
}
