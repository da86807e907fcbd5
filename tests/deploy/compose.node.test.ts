import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";

const folder = join(import.meta.dirname, "../../docs/deploy");
const read = (name: string) => readFileSync(join(folder, name), "utf8");
const { services } = parse(read("compose.yaml"), { merge: true });
const settings = parse(read("serve.yaml"));
const nginx = read("nginx.conf");

test("nginx knows the replicas of the compose file, at the port that they listen on", () => {
  const replicas = Object.keys(services).filter((name) => name.startsWith("replica-"));
  const known = [...nginx.matchAll(/^ *server (replica-\d+):(\d+) /gm)].map(([, name, port]) => `${name}:${port}`);
  const expected = replicas.map((name) => `${name}:${settings.port}`);
  expect(known).toEqual([...expected, ...expected]);
  expect(services.nginx.depends_on).toEqual(replicas);
  expect(services.nginx.ports).toEqual(["8080:8080"]);
  expect(nginx).toContain("listen 8080;");
});

test("limits of nginx, replicas and containers go together", () => {
  const { "request-timeout": seconds, "max-body": body } = settings;
  expect(nginx).toContain(`proxy_read_timeout ${seconds + 10}s;`);
  expect(body).toBe("1MiB");
  expect(nginx).toContain("client_max_body_size 1m;");
  expect(services["replica-1"].stop_grace_period).toBe("11m");
  expect(seconds).toBeLessThan(11 * 60);
});

test("what replicas read is mounted where they look for it", () => {
  const { volumes, secrets, environment } = services["replica-1"];
  expect(volumes.map((volume: string) => volume.split(":").at(-2))).toEqual([
    settings.model,
    "/etc/lowrank/serve.yaml",
  ]);
  expect(read("Dockerfile")).toContain('CMD ["--config", "/etc/lowrank/serve.yaml"]');
  expect(secrets.map((name: string) => `/run/secrets/${name}`)).toEqual([settings["api-key-file"]]);
  expect(environment.AWS_ENDPOINT_URL_S3).toBe("http://store:8333");
});
