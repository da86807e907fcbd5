import { expect, test } from "vitest";
import { readListing, s3ErrorText } from "./s3Xml.ts";

const listing = (key: string, rest = "") =>
  `<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${rest}<Contents><Key>${key}</Key><LastModified>2026-01-01T00:00:00Z</LastModified><ETag>&quot;ab-1&quot;</ETag><Size>12</Size></Contents></ListBucketResult>`;

test("keys are read as XML and as URLs have them", () => {
  expect(readListing(listing("a &amp;&#x26;&#38;&lt;&unknown; b"))).toEqual({
    objects: [{ key: "a &&&<&unknown; b", size: 12, etag: '"ab-1"' }],
    next: null,
  });
  const encoded = "<EncodingType>url</EncodingType>";
  expect(readListing(listing("a+%2B%26%C3%BC%0A", encoded)).objects[0].key).toBe("a +&ü\n");
});

test("a page that is not the last says how to go on", () => {
  const more = "<IsTruncated>true</IsTruncated><NextContinuationToken>a&amp;b</NextContinuationToken>";
  expect(readListing(listing("a", more)).next).toBe("a&b");
  expect(() => readListing("<html>")).toThrow("expected a list of objects, and got <html>");
});

test("errors are read, where there are such", () => {
  expect(s3ErrorText("<Error><Code>NoSuchKey</Code><Message>It &lt;is&gt; gone</Message></Error>")).toBe(
    "NoSuchKey: It <is> gone",
  );
  expect(s3ErrorText("bad gateway")).toBe("");
});
