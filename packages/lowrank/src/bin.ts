#!/usr/bin/env node
import { loadPlugins, pluginFiles } from "./commands/plugins.ts";
import { createProgram } from "./commands/program.ts";
import { reportFailure } from "./commands/reportFailure.ts";

// A reader that has seen enough (`lowrank generate ... | head`) is no failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});

try {
  const plugins = pluginFiles(process.argv.slice(2));
  await loadPlugins(plugins);
  await createProgram(plugins).parseAsync();
} catch (error) {
  reportFailure(error);
}
