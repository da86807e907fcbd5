import { existsSync, globSync } from "node:fs";
import { dirname, join } from "node:path";
import { create } from "webgpu";
import { findChromium } from "../browser/chromium.ts";

/** Dawn objects, which must not be collected while the process has devices. */
const kept: GPU[] = [];

/** Returns true if Dawn finds an adapter with the drivers in the current environment. */
async function hasAdapter(): Promise<boolean> {
  const gpu = create([]);
  kept.push(gpu);
  return (await gpu.requestAdapter()) !== null;
}

/** Returns drivers of SwiftShader, a GPU emulator on the CPU, which Chromium includes. */
const drivers = (): string[] => {
  const chromium = findChromium();
  return ["/usr/lib/chromium", ...(chromium === undefined ? [] : [dirname(chromium)])].map((folder) =>
    join(folder, "vk_swiftshader_icd.json"),
  );
};

/** Folders in which Linux lists its installed drivers. */
const systemDrivers = "{/etc,/usr/share,/usr/local/share}/vulkan/icd.d/*.json";

/**
 * Provides a WebGPU adapter for this process: the machine's, the one in VK_DRIVER_FILES, or else SwiftShader. Returns
 * the reason if none is available, otherwise undefined.
 */
export async function whyNoAdapter(): Promise<string | undefined> {
  const named = process.env.VK_DRIVER_FILES;
  const own = named !== undefined || process.platform !== "linux" || globSync(systemDrivers).length > 0;
  if (own && (await hasAdapter())) return undefined;
  if (named !== undefined) return `WebGPU cannot use the driver of VK_DRIVER_FILES=${named}`;
  const driver = drivers().find((path) => existsSync(path));
  if (driver === undefined) {
    return "no Vulkan driver was found that WebGPU can use; install Chromium, or set VK_DRIVER_FILES";
  }
  process.env.VK_DRIVER_FILES = driver;
  return (await hasAdapter()) ? undefined : `WebGPU cannot use ${driver}`;
}
