/** A method that such an object has, and the call that gives one. */
const kinds = {
  device: { method: "createShaderModule", call: "await adapter.requestDevice()" },
  adapter: { method: "requestDevice", call: "await navigator.gpu.requestAdapter()" },
};

const preferences: readonly unknown[] = ["low-power", "high-performance"];

/** Throws for an option that is no device or adapter, such as a promise of one. */
export function expectGiven(kind: keyof typeof kinds, given: unknown): void {
  const { method, call } = kinds[kind];
  if (given === undefined || given === null) return;
  if (typeof (given as Record<string, unknown>)[method] === "function") return;
  throw new Error(`webgpu: the option ${kind} is ${shown(given)}; give what ${call} returns, or leave it out`);
}

/** Throws for a preference that there is not. */
export function expectPowerPreference(given: unknown): void {
  if (given === undefined || preferences.includes(given)) return;
  throw new Error(`webgpu: powerPreference is ${shown(given)}; give ${preferences.join(" or ")}, or leave it out`);
}

function shown(value: unknown): string {
  return value instanceof Promise ? "a promise" : String(value);
}
