/** @jsxImportSource hono/jsx */
import { createHash } from "node:crypto";
import { type Context, Hono } from "hono";
import { deleteCookie, getCookie, setCookie } from "hono/cookie";
import { secureHeaders } from "hono/secure-headers";
import { streamSSE } from "hono/streaming";
import { buildReport, PAGE_STYLE, renderHtml } from "../../dp/mod.ts";
import { UNACCOUNTED_RELEASES } from "../unaccounted.ts";
import { LIVE_SCRIPT, STYLE_SHEET } from "./assets.ts";
import { operatorSections, page, siteSections } from "./pages.tsx";
import { SESSION_MS, SignIn } from "./sign_in.ts";
import { type DashboardOptions, DashboardSource } from "./source.ts";

/** Name of the session's cookie. */
const COOKIE = "fedkim_session";
/** Shortest time between two events, and longest time without one, milliseconds. */
const EVENT_MS = { shortest: 300, longest: 15_000 } as const;

/** Where a browser talks to this very machine, without TLS. */
const LOOPBACK = new Set(["127.0.0.1", "localhost", "[::1]"]);

/** Nothing from elsewhere, nothing inline. */
const POLICY = {
  defaultSrc: ["'none'"],
  scriptSrc: ["'self'"],
  styleSrc: ["'self'"],
  imgSrc: ["'self'"],
  connectSrc: ["'self'"],
  formAction: ["'self'"],
  baseUri: ["'none'"],
  frameAncestors: ["'none'"],
};

/** The report carries its own style sheet; only that very text may be inline. */
const REPORT_POLICY = {
  ...POLICY,
  scriptSrc: ["'none'"],
  styleSrc: [`'sha256-${createHash("sha256").update(PAGE_STYLE).digest("base64")}'`],
};

/** What a dashboard is made of. */
export interface DashboardApp {
  /** The pages, to be mounted at `/dashboard`. */
  readonly app: Hono;
  /** A one-time way in for an authenticated member: a path on this server. */
  readonly enter: (member: string) => Promise<string>;
}

/**
 * The dashboard: rendered on the server, live by server-sent events where scripts run, and the same page without them.
 * Operators and auditors see the federation, a site sees itself.
 * @param options see {@link DashboardOptions}
 */
export function dashboardApp(options: DashboardOptions): DashboardApp {
  const { book, federation } = options;
  const source = new DashboardSource(options);
  const signIn = new SignIn(book);
  const app = new Hono();

  const strict = secureHeaders({ contentSecurityPolicy: POLICY, referrerPolicy: "no-referrer" });
  const report = secureHeaders({ contentSecurityPolicy: REPORT_POLICY, referrerPolicy: "no-referrer" });
  app.use((c, next) => (c.req.path.endsWith("/report") ? report : strict)(c, next));
  app.use(async (c, next) => {
    c.header("cache-control", "no-store");
    await next();
  });

  /** Whoever is signed in and still enrolled. */
  const visitor = async (c: Context): Promise<{ name: string; all: boolean } | undefined> => {
    const session = getCookie(c, COOKIE);
    const name = session === undefined ? undefined : await signIn.member(session);
    const member = name === undefined ? undefined : await book.member(name);
    if (name === undefined || member === undefined || member.revoked) return undefined;
    return { name, all: member.role !== "site" };
  };
  const stranger = (c: Context) =>
    c.html(
      page(
        "FedKIM",
        "nobody",
        <section aria-labelledby="in">
          <h2 id="in">Sign in</h2>
          <p>
            This page opens with a key, not with a password. On the machine that holds yours, run{" "}
            <code>fedkim dashboard --state DIR</code> and open the link that it prints.
          </p>
        </section>,
        false,
      ),
      401,
    );

  app.get("/style.css", (c) => c.text(STYLE_SHEET, 200, { "content-type": "text/css; charset=utf-8" }));
  app.get("/live.js", (c) => c.text(LIVE_SCRIPT, 200, { "content-type": "text/javascript; charset=utf-8" }));

  // Programs that look into links must not use them up: only the button does.
  app.get("/enter", (c) =>
    c.html(page(
      "FedKIM",
      "nobody",
      <form method="post" action="/dashboard/enter">
        <input type="hidden" name="ticket" value={c.req.query("ticket") ?? ""} />
        <button type="submit">Open the dashboard</button>
      </form>,
      false,
    )));
  app.post("/enter", async (c) => {
    const { ticket } = await c.req.parseBody();
    const session = typeof ticket === "string" ? await signIn.open(ticket) : undefined;
    if (session === undefined) return stranger(c);
    setCookie(c, COOKIE, session, {
      httpOnly: true,
      sameSite: "Strict",
      // Behind a proxy the request itself is plain; browsers take such a cookie over HTTPS only.
      secure: !LOOPBACK.has(new URL(c.req.url).hostname),
      path: "/dashboard",
      maxAge: SESSION_MS / 1000,
    });
    await book.audit.record((await signIn.member(session))!, "signed_in");
    return c.redirect("/dashboard", 303);
  });
  app.post("/leave", async (c) => {
    const session = getCookie(c, COOKIE);
    if (session !== undefined) await signIn.close(session);
    deleteCookie(c, COOKIE, { path: "/dashboard" });
    return c.redirect("/dashboard", 303);
  });

  app.get("/", async (c) => {
    const who = await visitor(c);
    if (who === undefined) return stranger(c);
    const snapshot = await source.snapshot();
    const row = snapshot.sites.find(({ site }) => site === who.name)!;
    const body = who.all ? operatorSections(snapshot) : siteSections(snapshot, row);
    if (c.req.query("part") === "main") return c.html(<>{body}</>);
    return c.html(page(`Federation ${federation}`, who.name, body, true));
  });

  app.get("/report", async (c) => {
    const who = await visitor(c);
    if (who === undefined) return stranger(c);
    const run = await source.plan();
    if (run === undefined) {
      return c.html(page("FedKIM", who.name, <p>There is no signed plan yet.</p>, false), 404);
    }
    const html = renderHtml(buildReport({
      title: `Federation ${federation}`,
      plan: run.plan.dp,
      ledgers: [],
      unaccounted: [...UNACCOUNTED_RELEASES],
      groups: [],
      generatedAt: new Date().toISOString(),
    }));
    return c.html(html);
  });

  app.get("/events", async (c) => {
    if (await visitor(c) === undefined) return c.text("", 401);
    return streamSSE(c, async (stream) => {
      let changed: () => void = () => {};
      const stop = source.subscribe(() => changed());
      stream.onAbort(() => {
        stop();
        changed();
      });
      for (let id = 1; !stream.aborted && !stream.closed && !source.ended; id++) {
        const next = new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, EVENT_MS.longest);
          changed = () => {
            clearTimeout(timer);
            resolve();
          };
        });
        // Signed out or revoked meanwhile: nothing more is told.
        if (await visitor(c) === undefined) break;
        await stream.writeSSE({ id: String(id), data: "changed" });
        await next;
        await stream.sleep(EVENT_MS.shortest);
      }
      stop();
    });
  });

  return { app, enter: async (member) => `/dashboard/enter?ticket=${await signIn.ticket(member)}` };
}
