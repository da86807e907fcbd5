/** The ports and log files of a local deployment. */
export interface LocalPlaces {
  readonly port: number;
  /** The ports of replica-1, replica-2, ..., in order. */
  readonly replicas: readonly number[];
  readonly accessLog: string;
  readonly errorLog: string;
}

/**
 * Returns the published configuration with the addresses and logs of this machine; other lines are unchanged. Throws if
 * it names an unknown replica, or lacks one of these lines.
 */
export function localNginxConfig(published: string, { port, replicas, accessLog, errorLog }: LocalPlaces): string {
  const swap = (text: string, pattern: RegExp, by: (...match: string[]) => string): string => {
    if (!pattern.test(text)) throw new Error(`nginx.conf has no line like ${pattern}`);
    return text.replace(pattern, by);
  };
  let text = swap(published, /\bserver replica-(\d+):8000\b/g, (_, number) => {
    const local = replicas[Number(number) - 1];
    if (local === undefined) throw new Error(`nginx.conf names replica-${number}; only ${replicas.length} are started`);
    return `server 127.0.0.1:${local}`;
  });
  text = swap(text, /\blisten 8080;/g, () => `listen 127.0.0.1:${port};`);
  text = swap(text, /\baccess_log \/dev\/stdout\b/g, () => `access_log ${accessLog}`);
  return swap(text, /\berror_log \/dev\/stderr\b/g, () => `error_log ${errorLog}`);
}

/** One request in nginx's log. */
export interface LoggedRequest {
  readonly path: string;
  readonly status: number;
  readonly adapter: string;
  /** The ports of the replicas that were tried, in order. */
  readonly replicas: readonly number[];
}

/** Reads the log of the published configuration. */
export function readAccessLog(log: string): LoggedRequest[] {
  return [...log.matchAll(/^\S+ \S+ (\S+) (\d+) \S+ adapter="(.*?)" replica=(.*) answered=/gm)].map(
    ([, path, status, adapter, tried]) => {
      const replicas = [...tried.matchAll(/:(\d+)/g)].map(([, port]) => Number(port));
      return { path, status: Number(status), adapter: adapter === "-" ? "" : adapter, replicas };
    },
  );
}
