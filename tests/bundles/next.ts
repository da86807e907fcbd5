import { copyFileSync, cpSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { command } from "./check.ts";
import { scripts } from "./sample.ts";

const dependencies = { next: "16.4.6", react: "19.3.1", "react-dom": "19.3.1" };

/** The sources of an app whose only page is the sample, a component of the client. */
const sources = {
  "next.config.mjs": `export default { output: "export" };\n`,
  "app/layout.jsx": `export default function Layout({ children }) {
  return (
    <html lang="en">
      <body>{children}</body>
    </html>
  );
}
`,
  "app/page.jsx": `"use client";
import "../sample/page.js";

export default function Page() {
  return <p>Lowrank</p>;
}
`,
};

/**
 * Makes a Next.js app of the sample in a separate folder, with packages from `archives` and from npm's registry;
 * exports it for production and copies it into `outDir`. Returns the problems of its commands.
 */
export async function bundleWithNext(
  archives: readonly string[],
  outDir: string,
  env: NodeJS.ProcessEnv,
): Promise<string[]> {
  const app = `${outDir} app`;
  for (const folder of ["app", "sample"]) mkdirSync(join(app, folder), { recursive: true });
  writeFileSync(join(app, "package.json"), JSON.stringify({ private: true, dependencies }));
  for (const [name, text] of Object.entries(sources)) writeFileSync(join(app, name), text);
  for (const name of scripts) copyFileSync(join(import.meta.dirname, "app", name), join(app, "sample", name));
  const quiet = { ...env, NEXT_TELEMETRY_DISABLED: "1" };
  for (const words of [
    ["npm", "install", "--no-audit", "--no-fund", ...archives],
    ["npx", "--no-install", "next", "build"],
  ]) {
    const { problems } = command(app, quiet, ...words);
    if (problems.length > 0) return problems;
  }
  cpSync(join(app, "out"), outDir, { recursive: true });
  return [];
}
