#!/usr/bin/env node
import { nodeVersionError } from "./cli/process/nodeVersion.ts";

const tooOld = nodeVersionError(process.versions.node);
if (tooOld !== null) {
  console.error(tooOld);
  process.exit(1);
}
const { guardOutput } = await import("./cli/process/guardOutput.ts");
guardOutput();
const { runCommandLine } = await import("./program/runCommandLine.ts");

process.exitCode = await runCommandLine(process.argv.slice(2));
