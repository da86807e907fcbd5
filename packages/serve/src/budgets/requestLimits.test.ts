import { describe, expect, test } from "vitest";
import { RequestShares } from "./requestLimits.ts";

const shared = { requests: null, shared: true };

describe("places of tenants", () => {
  test("without other tenants, one may have all", () => {
    const shares = new RequestShares(8);
    const limits = { requests: null, shared: false };
    expect([shares.limitOf(limits), shares.freeFor("", limits)]).toEqual([8, 8]);
    shares.take("", 5);
    expect(shares.freeFor("", limits)).toBe(3);
  });

  test("one tenant has half, and as many are left for others", () => {
    const shares = new RequestShares(256);
    let taken = 0;
    while (shares.freeFor("a", shared) >= 16) {
      shares.take("a", 16);
      taken += 16;
    }
    expect(taken).toBe(128);
    expect(shares.freeFor("b", shared)).toBe(64);
  });

  test("several greedy tenants leave places for the next, and converge to equal shares", () => {
    const shares = new RequestShares(64);
    const tenants = Array.from({ length: 6 }, (_, t) => `${t}`);
    const held = new Map<string, (() => void)[]>(tenants.map((tenant) => [tenant, []]));
    for (const tenant of tenants) {
      while (shares.freeFor(tenant, shared) > 0) held.get(tenant)?.push(shares.take(tenant, 1));
      expect(shares.heldBy(tenant)).toBeGreaterThan(0);
    }
    // Sequences end in the order in which they started, and each tenant sends another at once.
    for (let round = 0; round < 100; round++) {
      for (const tenant of tenants) {
        held.get(tenant)?.shift()?.();
        for (const other of tenants) {
          if (shares.freeFor(other, shared) > 0) held.get(other)?.push(shares.take(other, 1));
        }
      }
    }
    const ends = tenants.map((tenant) => shares.heldBy(tenant));
    expect(Math.max(...ends) - Math.min(...ends)).toBeLessThanOrEqual(1);
  });

  test("places that are given back are free again, once", () => {
    const shares = new RequestShares(4);
    const release = shares.take("a", 2);
    expect(shares.freeFor("a", shared)).toBe(0);
    release();
    release();
    expect([shares.total, shares.heldBy("a"), shares.freeFor("a", shared)]).toEqual([0, 0, 2]);
  });

  test("a tenant's own limit replaces its share", () => {
    const shares = new RequestShares(10);
    expect(shares.freeFor("a", { requests: 9, shared: true })).toBe(9);
    expect(shares.limitOf({ requests: 90, shared: true })).toBe(10);
  });

  test("few places are shared too", () => {
    const limits = [1, 2, 3, 4, 5].map((places) => new RequestShares(places).limitOf(shared));
    expect(limits).toEqual([1, 1, 1, 2, 2]);
    const shares = new RequestShares(4);
    shares.take("a", 2);
    expect(shares.freeFor("b", shared)).toBe(1);
    shares.take("b", 1);
    expect([shares.freeFor("b", shared), shares.freeFor("c", shared)]).toEqual([0, 1]);
  });

  test("a single place goes to the first tenant", () => {
    const shares = new RequestShares(1);
    expect(shares.freeFor("a", shared)).toBe(1);
    shares.take("a", 1);
    expect([shares.freeFor("a", shared), shares.freeFor("b", shared)]).toEqual([0, 0]);
  });
});
