import { expect, test } from "vitest";
import { inFileOrder, inModelOrder } from "./headRows.ts";

/** Returns rows of two bytes that contain their index. */
const rows = (...places: number[]) => Uint8Array.from(places.flatMap((place) => [place, 100 + place]));
const inOrder = (count: number) => rows(...Array.from({ length: count }, (_, i) => i));

// llama.cpp rotates rows 2j and 2j + 1 of a head together, and transformers rows j and j + d/2.
test.each([
  ["a head of 4 rows, twice", { heads: 2 }, [0, 2, 1, 3, 4, 6, 5, 7]],
  ["a head of 6 rows", { heads: 1 }, [0, 3, 1, 4, 2, 5]],
  ["queries, keys and values of two heads", { joined: 2 }, [0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11]],
  ["queries, keys and values of one head", { joined: 1 }, [0, 1, 2, 3, 4, 5]],
  ["nothing to turn", {}, [0, 1, 2, 3, 4]],
])("%s", (_, order, places) => {
  const file = inFileOrder(inOrder(places.length), places.length, order);
  expect(file).toEqual(rows(...places));
  expect(inModelOrder(file, places.length, order)).toEqual(inOrder(places.length));
});
