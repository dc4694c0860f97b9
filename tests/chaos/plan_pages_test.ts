import assert from "node:assert/strict";
import type { PlanEnd } from "./_federation.ts";
import { PlanPages } from "./_plan_pages.ts";

/** Pages of a federation whose newest plan ended so, and what happens to them in order. */
function pagesOf(ends: { newest: PlanEnd | undefined }) {
  const order: string[] = [];
  const pages = new PlanPages(
    () => Promise.resolve(ends.newest),
    async ({ planHash }) => {
      order.push(`looks at ${planHash}`);
      await new Promise((resolve) => setTimeout(resolve));
      order.push(`turned ${planHash}`);
    },
  );
  const join = (site: string) => pages.opened().then(() => order.push(`${site} joins`));
  return { pages, order, join };
}

Deno.test("nobody joins the next plan before the page of the last one is turned, whoever comes back early", async () => {
  const { pages, order, join } = pagesOf({ newest: { planHash: "one", finished: true } });
  // The killed replica is up again and would let them in; the one that has ended the plan has not ended its life.
  const joining = [join("south"), join("west")];
  await new Promise((resolve) => setTimeout(resolve));
  assert.deepEqual(order, []);
  await pages.turnIfOver();
  await Promise.all(joining);
  assert.deepEqual(order, ["looks at one", "turned one", "south joins", "west joins"]);
});

Deno.test("while a plan goes on, and after its page is turned, a site joins at once", async () => {
  const ends: { newest: PlanEnd | undefined } = { newest: undefined };
  const { pages, order, join } = pagesOf(ends);
  await pages.turnIfOver();
  await join("south");
  ends.newest = { planHash: "one", finished: false };
  await pages.turnIfOver();
  await join("west");
  assert.deepEqual(order, ["south joins", "looks at one", "turned one", "west joins"]);
});

Deno.test("a page is turned once, however many replicas end with the plan, and every plan has its own", async () => {
  const ends = { newest: { planHash: "one", finished: true } };
  const { pages, order } = pagesOf(ends);
  await Promise.all([pages.turnIfOver(), pages.turnIfOver()]);
  ends.newest = { planHash: "two", finished: true };
  await pages.turnIfOver();
  assert.deepEqual(order, ["looks at one", "turned one", "looks at two", "turned two"]);
});
