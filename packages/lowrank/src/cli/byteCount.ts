const units: Readonly<Record<string, number>> = {
  "": 1,
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KIB: 2 ** 10,
  MIB: 2 ** 20,
  GIB: 2 ** 30,
};

/** Reads a number of bytes above 0: 1000, 256MB or 1GiB. Returns null for anything else. */
export function parseBytes(text: string): number | null {
  const [, count, unit = "-"] = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(text) ?? [];
  const scale = units[unit.toUpperCase()];
  const bytes = scale === undefined ? 0 : Math.floor(Number(count) * scale);
  return bytes > 0 ? bytes : null;
}
