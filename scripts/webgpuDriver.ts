import { existsSync, globSync } from "node:fs";
import { dirname, join } from "node:path";
import { create } from "webgpu";
import { findChromium } from "./browser/chromium.ts";

/** Dawn must not be collected while the process has devices. */
const kept: GPU[] = [];

/** True if Dawn finds an adapter with the drivers that the environment names now. */
async function hasAdapter(): Promise<boolean> {
  const gpu = create([]);
  kept.push(gpu);
  return (await gpu.requestAdapter()) !== null;
}

/** Drivers of SwiftShader, which plays a graphics processor; Chromium brings it. */
const drivers = (): string[] => {
  const chromium = findChromium();
  return ["/usr/lib/chromium", ...(chromium === undefined ? [] : [dirname(chromium)])].map((folder) =>
    join(folder, "vk_swiftshader_icd.json"),
  );
};

/** Folders in which Linux lists its own drivers. */
const systemDrivers = "{/etc,/usr/share,/usr/local/share}/vulkan/icd.d/*.json";

/**
 * Sees to it that WebGPU finds an adapter in this process: the machine's own or the one that
 * VK_DRIVER_FILES names, else SwiftShader. Returns why there is none, or undefined.
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
