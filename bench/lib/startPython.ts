import { ensureEnvironment } from "@lowrank/conformance/environment";
import { Python } from "@lowrank/conformance/python";

/** Starts Python with PyTorch and PEFT as a server; returns undefined, after a notice, if they are missing. */
export async function startPython(): Promise<Python | undefined> {
  const { python, skipped } = await ensureEnvironment();
  if (python) return Python.start(python);
  console.log(`absent: PyTorch with PEFT (${skipped}); there is no ratio`);
  return undefined;
}
