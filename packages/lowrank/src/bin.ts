#!/usr/bin/env node
import { nodeVersionError } from "./commands/nodeVersion.ts";

const tooOld = nodeVersionError(process.versions.node);
if (tooOld !== null) {
  console.error(tooOld);
  process.exit(1);
}
const { guardOutput } = await import("./commands/process/guardOutput.ts");
guardOutput();
const { runCommandLine } = await import("./commands/runCommandLine.ts");

process.exitCode = await runCommandLine(process.argv.slice(2));
