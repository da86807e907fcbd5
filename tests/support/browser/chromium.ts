import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright";

const known = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
  "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe",
];

/**
 * Returns the Chromium or Chrome for tests: `$CHROMIUM`, an installed one, or Playwright's; undefined if none is found.
 */
export function findChromium(): string | undefined {
  const named = process.env.CHROMIUM;
  if (named !== undefined && !existsSync(named)) throw new Error(`CHROMIUM=${named}: there is no such file`);
  return named ?? [...known, chromium.executablePath()].find((path) => existsSync(path));
}

/** Flags for WebGPU on a software adapter, and against network access and the need for a sandboxed user. */
export const chromiumFlags: string[] = [
  "--no-sandbox",
  "--enable-unsafe-webgpu",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
  "--disable-quic",
];

/** Headers that make a page cross-origin isolated, so that SharedArrayBuffer exists. */
export const isolationHeaders: Record<string, string> = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
};

/** Starts headless Chromium. */
export function launch(executablePath: string): Promise<Browser> {
  return chromium.launch({ executablePath, args: chromiumFlags });
}
