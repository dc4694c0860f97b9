import assert from "node:assert/strict";
import { encodeInvite } from "../../../src/federation/invite.ts";
import { dashboardLink } from "../../../src/federation/dashboard_link.ts";
import { openServer } from "../../../src/federation/http_server.ts";
import { LeaderProxy, replicaClient } from "../../../src/federation/leader_proxy.ts";
import { acceptInvite } from "../../../src/federation/site_enrollment.ts";
import { rotateKey } from "../../../src/federation/site_rotation.ts";
import type { TlsFiles } from "../../../src/federation/tls.ts";
import { outboundClient } from "../../../src/federation/tls_client.ts";
import { toHex } from "../../../src/formats/hex.ts";
import { fedkim } from "../../_fedkim.ts";
import { type Service, withService } from "../api/_service.ts";
import { opensslTest, TestAuthority } from "./_certificates.ts";

const signal = new AbortController().signal;

/** Runs a body against the real API behind TLS, at an address with the name that the certificates carry. */
async function withTls(tls: TlsFiles, body: (service: Service, url: string) => Promise<void>): Promise<void> {
  await withService(async (service) => {
    const handler = (request: Request, info: { remoteAddr?: { hostname?: string } }) =>
      service.app.fetch(request, info as never);
    const server = await openServer({ hostname: "127.0.0.1", port: 0, tls, handler });
    try {
      await body(service, server.url.replace("127.0.0.1", "localhost"));
    } finally {
      await server.shutdown();
    }
  });
}

opensslTest(
  "a member enrolls, rotates its key and opens the dashboard with a private authority and a client certificate, and not without",
  async (dir) => {
    const authority = await TestAuthority.create(dir);
    const tls = { ...await authority.issue("server"), clientCa: authority.certFile };
    const own = await authority.issue("member");
    const outbound = { caFile: authority.certFile, clientCert: own.cert, clientKey: own.key };
    const onlyCa = { caFile: authority.certFile };
    await withTls(tls, async ({ book }, url) => {
      const state = `${dir}/state`;
      const invite = encodeInvite(await book.invite("b", url));
      await assert.rejects(acceptInvite(state, invite), { code: "NetworkError", message: /set caFile/ });
      await assert.rejects(acceptInvite(state, invite, onlyCa), {
        code: "NetworkError",
        message: /clientCert/,
      });
      await acceptInvite(state, invite, outbound);
      const pinned = async () => toHex((await book.member("b"))!.publicKey);
      const { publicKey } = await rotateKey(state, signal, outbound);
      assert.equal(await pinned(), publicKey);
      const link = new URL(await dashboardLink(state, signal, outbound));
      assert.equal(link.origin, url);
      // The same by the commands: by flags, and by the variables of the site's service.
      const flags = ["--ca-file", outbound.caFile, "--client-cert", own.cert, "--client-key", own.key];
      const rotated = await fedkim("enroll", "--state", state, "--rotate", "--json", ...flags);
      assert.equal(rotated.code, 0, rotated.stderr);
      assert.equal(await pinned(), JSON.parse(rotated.stdout).publicKey);
      const shown = await fedkim("dashboard", "--state", state, "--json", ...flags);
      assert.equal(shown.code, 0, shown.stderr);
      assert.equal(new URL(JSON.parse(shown.stdout).url).origin, url);
    });
  },
);

opensslTest(
  "a replica passes requests on to a leader behind TLS, and to one that asks for a certificate",
  async (dir) => {
    const authority = await TestAuthority.create(dir);
    const pair = await authority.issue("replica");
    const client = await authority.issue("site");
    for (const clientCa of [undefined, authority.certFile]) {
      const tls: TlsFiles = { ...pair, clientCa, peerCa: authority.certFile };
      await withTls(tls, async (_, leader) => {
        const proxy = new LeaderProxy({ newest: () => Promise.resolve(0) }, await replicaClient(tls));
        proxy.follow(leader);
        const follower = await openServer({
          hostname: "127.0.0.1",
          port: 0,
          tls,
          handler: (request) => proxy.fetch(request),
        });
        const outbound = { caFile: authority.certFile, clientCert: client.cert, clientKey: client.key };
        const http = (await outboundClient(outbound))!;
        try {
          const url = follower.url.replace("127.0.0.1", "localhost");
          const answer = await fetch(`${url}/v1/status`, { client: http });
          assert.equal(answer.status, 200);
          assert.equal((await answer.json()).federation, "test");
        } finally {
          http.close();
          proxy.close();
          await follower.shutdown();
        }
      });
    }
  },
);

opensslTest(
  "without the authority of the other replicas nothing is passed on, and the site is told to come back",
  async (dir) => {
    const authority = await TestAuthority.create(dir);
    const tls = await authority.issue("replica");
    await withTls(tls, async (_, leader) => {
      const proxy = new LeaderProxy({ newest: () => Promise.resolve(0) }, await replicaClient(tls));
      proxy.follow(leader);
      const answer = await proxy.fetch(new Request("http://replica/v1/status"));
      assert.equal(answer.status, 503);
      assert.equal((await answer.json()).reason, "no_leader");
      proxy.close();
    });
  },
);
