import { expect, test } from "vitest";
import { openStore } from "./openStore.ts";

test("a store is a folder, or a prefix of a bucket", () => {
  expect(openStore("/adapters", {}).label).toBe("folder /adapters");
  expect(openStore("s3://bucket", {}).label).toBe("s3://bucket/");
  expect(openStore("s3://bucket/team/prod", { AWS_REGION: "eu-west-1" }).label).toBe("s3://bucket/team/prod/");
});

test("a store that can be none is refused, with the fix", () => {
  expect(() => openStore("s3:bucket", {})).toThrow("--store s3:bucket: expected s3://bucket or s3://bucket/prefix");
  expect(() => openStore(import.meta.filename, {})).toThrow("it is a file; give the folder");
  expect(openStore("/not/there/yet", {}).label).toBe("folder /not/there/yet");
  const half = () => openStore("s3://bucket", { AWS_ACCESS_KEY_ID: "x" });
  expect(half).toThrow("AWS_SECRET_ACCESS_KEY is not set");
});
