import { expect, it } from "vitest";
import { Mailbox } from "./mailbox.ts";

it("hands on what comes before and during the reading, in order", async () => {
  const mailbox = new Mailbox<number>();
  mailbox.put(1);
  mailbox.put(2);
  const seen: number[] = [];
  for await (const item of mailbox.read()) {
    seen.push(item);
    if (item === 2) setTimeout(() => mailbox.put(3));
    if (item === 3) mailbox.close();
  }
  expect(seen).toEqual([1, 2, 3]);
});

it("throws the error that it is closed with, behind what came before", async () => {
  const mailbox = new Mailbox<number>();
  mailbox.put(1);
  mailbox.close(new Error("the page is gone"));
  const reader = mailbox.read();
  expect((await reader.next()).value).toBe(1);
  await expect(reader.next()).rejects.toThrow("the page is gone");
});
