import { ensureEnvironment } from "@lowrank/conformance/environment";
import { Python } from "@lowrank/conformance/python";

/** A Python with PyTorch and PEFT that answers requests, or undefined after a notice. */
export async function startPython(): Promise<Python | undefined> {
  const { python, skipped } = await ensureEnvironment();
  if (python) return Python.start(python);
  console.log(`absent: PyTorch with PEFT (${skipped}); there is no ratio`);
  return undefined;
}
