import { tmpdir } from "node:os";
import { expect, test } from "vitest";
import { storePlace } from "./storePlace.ts";

const keys = { AWS_ACCESS_KEY_ID: "a", AWS_SECRET_ACCESS_KEY: "b" };

test("a store is a folder, or a bucket and a prefix of it", () => {
  expect(storePlace(tmpdir(), {}).label).toBe(`folder ${tmpdir()}`);
  expect(storePlace("s3://adapters", keys).label).toBe("s3://adapters/");
  expect(storePlace("s3://adapters/prod/", keys).label).toBe("s3://adapters/prod/");
});

test("the address comes from the environment", async () => {
  const away = storePlace("s3://adapters", { AWS_ENDPOINT_URL: "http://127.0.0.1:61", AWS_REGION: "eu-north-1" });
  await expect(away.list()).rejects.toMatchObject({
    code: "unavailable",
    message: expect.stringContaining("s3://adapters/ does not answer (ECONNREFUSED"),
  });
});

test("half of a key is an error that names the other half", () => {
  expect(() => storePlace("s3://adapters", { AWS_ACCESS_KEY_ID: "a" })).toThrow("AWS_SECRET_ACCESS_KEY is not set");
  expect(() => storePlace("s3://adapters", { AWS_SECRET_ACCESS_KEY: "b" })).toThrow("AWS_ACCESS_KEY_ID is not set");
});
