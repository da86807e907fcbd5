#!/usr/bin/env node
import { nodeVersionError } from "./commands/nodeVersion.ts";

const tooOld = nodeVersionError(process.versions.node);
if (tooOld !== null) {
  console.error(tooOld);
  process.exit(1);
}
const { runCommandLine } = await import("./commands/runCommandLine.ts");

// A reader that has seen enough (`lowrank generate ... | head`) is no failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});

process.exitCode = await runCommandLine(process.argv.slice(2));
