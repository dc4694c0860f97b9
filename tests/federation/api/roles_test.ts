import assert from "node:assert/strict";
import { join } from "node:path";
import { encodeInvite } from "../../../src/federation/invite.ts";
import { readIdentity } from "../../../src/federation/identity_file.ts";
import { acceptInvite } from "../../../src/federation/site_enrollment.ts";
import { readPolicy, writePolicy } from "../../../src/federation/site_policy.ts";
import { rotateKey } from "../../../src/federation/site_rotation.ts";
import { generateIdentity } from "../../../src/secure_agg/mod.ts";
import { enroll, offeredPlan, withService } from "./_service.ts";
import { openPolicy } from "../_plan.ts";

Deno.test("operators and auditors read the audit log; a site and a revoked auditor do not", async () => {
  await withService(async ({ book, send }) => {
    const auditor = generateIdentity("eve");
    await enroll(book, auditor, "auditor");
    const log = await (await send("GET", "/v1/audit", { signer: auditor })).json();
    assert.deepEqual(log.entries.map(({ event }: { event: string }) => event), [
      "invited",
      "enrolled",
      "invited",
      "enrolled",
    ]);
    const later = await (await send("GET", "/v1/audit?after=3", { signer: auditor })).json();
    assert.deepEqual(later.entries, log.entries.slice(3));
    assert.equal((await send("GET", "/v1/audit")).status, 403);
    await book.revoke("eve");
    assert.equal((await send("GET", "/v1/audit", { signer: auditor })).status, 401);
  });
});

Deno.test("a site rotates its key over HTTP, and a lost answer or a crash at any point is made good by asking again", async () => {
  await withService(async ({ app, book, desk }) => {
    let lose: "request" | "answer" | undefined;
    const server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      async (request, info) => {
        if (lose === "request" && request.url.endsWith("/v1/key")) return new Response(null, { status: 404 });
        const answer = await app.fetch(request, info);
        if (lose !== "answer" || !request.url.endsWith("/v1/key")) return answer;
        await answer.body?.cancel();
        return new Response(null, { status: 404 });
      },
    );
    const url = `http://127.0.0.1:${(server.addr as Deno.NetAddr).port}`;
    const state = await Deno.makeTempDir();
    await acceptInvite(state, encodeInvite(await book.invite("b", url)));
    const identity = () => readIdentity(join(state, "identity.json"));
    const first = await identity();
    const policyPath = join(state, "policy.json");
    await writePolicy(policyPath, openPolicy("b", 2), first);
    const stop = new AbortController();
    const pinned = async () => (await book.member("b"))!.publicKey;
    lose = "request";
    await assert.rejects(rotateKey(state, stop.signal));
    assert.deepEqual(await pinned(), new Uint8Array(first.publicKey));
    lose = "answer";
    await assert.rejects(rotateKey(state, stop.signal));
    assert.notDeepEqual(await pinned(), new Uint8Array(first.publicKey));
    lose = undefined;
    const { publicKey } = await rotateKey(state, stop.signal);
    const second = await identity();
    assert.deepEqual(await pinned(), new Uint8Array(second.publicKey));
    assert.equal(publicKey, new Uint8Array(second.publicKey).toHex());
    assert.equal((await readPolicy(policyPath, second)).maxEpsilon, 2);
    desk.offer(offeredPlan());
    await assert.rejects(rotateKey(state, stop.signal), { code: "UnexpectedMessage" });
    assert.deepEqual(await pinned(), new Uint8Array(second.publicKey));
    await server.shutdown();
    await Deno.remove(state, { recursive: true });
  });
});
