/** A device and its memory in bytes, to check whether a model fits. */
export interface Device {
  readonly name: string;
  readonly bytes: number;
}

const gigabytes = (name: string, count: number): Device => ({ name: `${name} ${count} GB`, bytes: count * 1e9 });

/** The memory of Lowrank's WebAssembly backend: 65,536 pages of 64 KiB. */
export const webAssemblyMemory: Device = { name: "WebAssembly memory 4 GiB", bytes: 65536 * 65536 };

/**
 * Common devices by nominal memory, smallest first. A gigabyte counts as 10^9 bytes here, although a card has 2^30
 * bytes for each gigabyte. Drivers and frameworks use about as much memory as this difference.
 */
export const devices: readonly Device[] = [
  webAssemblyMemory,
  gigabytes("laptop", 8),
  gigabytes("RTX 3060", 12),
  gigabytes("laptop", 16),
  gigabytes("T4", 16),
  gigabytes("RTX 4090", 24),
  gigabytes("laptop", 32),
  gigabytes("RTX 5090", 32),
  gigabytes("A100", 40),
  gigabytes("RTX A6000", 48),
  gigabytes("H100", 80),
  gigabytes("H200", 141),
];
