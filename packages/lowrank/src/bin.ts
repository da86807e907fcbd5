#!/usr/bin/env node
import { createProgram } from "./commands/program.ts";
import { reportFailure } from "./commands/reportFailure.ts";

// A reader that has seen enough (`lowrank generate ... | head`) is no failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});

try {
  await createProgram().parseAsync();
} catch (error) {
  reportFailure(error);
}
