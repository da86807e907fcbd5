import { expose, type Remote, transfer, wrap } from "comlink";

/** Options of a call, split into the parts that are sent to the Worker. */
export interface Wire {
  /** Options that are not functions. They are copied to the Worker. */
  readonly plain: Readonly<Record<string, unknown>>;
  /** Names of the callbacks. Each has the port over which the Worker calls the page's function. */
  readonly callbacks: readonly (readonly [name: string, port: MessagePort])[];
  /**
   * Port on which the Worker receives the abort reason. Undefined if the call has no signal, or if its signal is
   * already aborted.
   */
  readonly signal?: MessagePort;
  /** Abort reason, if the signal was already aborted before the call. */
  readonly aborted?: { readonly reason: unknown };
}

/** Options converted for sending to the Worker, and a function that closes their ports after the call. */
interface Sent {
  readonly wire: Wire;
  end(): void;
}

type Callback = (...args: unknown[]) => unknown;

/**
 * Splits the options of a call into data, callbacks and signal. Only options named in `callbacks` may be functions.
 * Throws for other functions. Also throws for objects with methods, since methods cannot be sent.
 */
export function sendOptions(call: string, options: object, callbacks: readonly string[] = []): Sent {
  const plain: Record<string, unknown> = {};
  const functions: [string, Callback][] = [];
  let signal: AbortSignal | undefined;
  for (const [key, value] of Object.entries(options)) {
    if (key === "signal") signal = value as AbortSignal | undefined;
    else if (typeof value === "function" && callbacks.includes(key)) functions.push([key, value as Callback]);
    else {
      checkCrosses(`${call}: ${key}`, value);
      plain[key] = value;
    }
  }
  const ends: (() => void)[] = [];
  const open = (use: (port: MessagePort) => void): MessagePort => {
    const { port1, port2 } = new MessageChannel();
    use(port1);
    ends.push(() => port1.close());
    return port2;
  };
  const abort = signal && !signal.aborted ? open((port) => ends.push(forward(signal, port))) : undefined;
  const ports = functions.map(([name, fn]) => [name, open((port) => expose(fn, port))] as const);
  const aborted = signal?.aborted ? { reason: signal.reason } : undefined;
  const wire: Wire = { plain, callbacks: ports, signal: abort, aborted };
  return {
    wire: transfer(wire, [...ports.map(([, port]) => port), ...(abort ? [abort] : [])]),
    end: () => {
      for (const end of ends) end();
    },
  };
}

/** Sends the abort reason through a port when the signal is aborted. Returns a function that stops this. */
function forward(signal: AbortSignal, port: MessagePort): () => void {
  const send = () => port.postMessage(signal.reason);
  signal.addEventListener("abort", send);
  return () => signal.removeEventListener("abort", send);
}

/** Classes whose instances can be sent to a Worker, in addition to plain objects, arrays and typed arrays. */
const cloned = [Map, Set, Date, ArrayBuffer, Blob, globalThis.FileSystemHandle ?? Blob];

/**
 * Throws if a value cannot be sent to the Worker, since it is or contains a function or an object with methods. The
 * error names the path of that function or object.
 */
export function checkCrosses(where: string, value: unknown): void {
  if (typeof value === "function") {
    throw new TypeError(
      `${where} is a function, which cannot be sent to the Worker; call it in the Worker's own script, or leave it out`,
    );
  }
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return;
  if (Array.isArray(value)) {
    // Skips numbers, since arrays of numbers can be long.
    for (const [i, item] of value.entries()) if (typeof item !== "number") checkCrosses(`${where}[${i}]`, item);
    return;
  }
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) {
    if (cloned.some((type) => value instanceof type)) return;
    throw new TypeError(
      `${where} is a ${value.constructor.name}, whose methods cannot be sent to the Worker; give plain data, or make it in the Worker's own script`,
    );
  }
  for (const [key, item] of Object.entries(value)) checkCrosses(`${where}.${key}`, item);
}

/**
 * Runs a call in the Worker with the options that the page sent. Callbacks call the page's functions. If the page's
 * signal is aborted, the `signal` of the call is aborted as well. Resolves after the page has handled all callbacks. If
 * a callback throws, the call is aborted and rejects with the callback's error.
 */
export async function withOptions<O extends object, T>(
  { plain, callbacks, signal, aborted }: Wire,
  run: (options: O & { signal: AbortSignal }) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const pending = new Set<Promise<unknown>>();
  const failures: unknown[] = [];
  const functions = callbacks.map(([name, port]): [string, Callback] => {
    port.start();
    const remote = wrap<Callback>(port) as Remote<Callback>;
    return [
      name,
      (...args) => {
        const answer = Promise.resolve(remote(...(args as never[])));
        const told = answer.catch((error: unknown) => {
          failures.push(error);
          controller.abort(error);
        });
        pending.add(told);
        void told.then(() => pending.delete(told));
        return answer;
      },
    ];
  });
  if (aborted) controller.abort(aborted.reason);
  if (signal) signal.onmessage = ({ data }) => controller.abort(data);
  try {
    const result = await run({ ...plain, ...Object.fromEntries(functions), signal: controller.signal } as never);
    await Promise.all(pending);
    if (failures.length > 0) throw failures[0];
    return result;
  } finally {
    for (const port of [signal, ...callbacks.map(([, port]) => port)]) port?.close();
  }
}
