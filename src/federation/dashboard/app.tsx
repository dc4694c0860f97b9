/** @jsxImportSource hono/jsx */
import { createHash } from "node:crypto";
import { type Context, Hono } from "hono";
import { deleteCookie, getCookie, setCookie } from "hono/cookie";
import { secureHeaders } from "hono/secure-headers";
import { streamSSE } from "hono/streaming";
import { PAGE_STYLE } from "../../dp/mod.ts";
import { LIVE_SCRIPT, STYLE_SHEET } from "./assets.ts";
import { page } from "./frame.tsx";
import { operatorSections } from "./operator_page.tsx";
import { ReportPages } from "./report.ts";
import { SESSION_MS, SignIn } from "./sign_in.ts";
import { siteSections } from "./site_page.tsx";
import { StreamCap } from "./stream_cap.ts";
import { type DashboardOptions, DashboardSource, SNAPSHOT_MS } from "./source.ts";

/** Name of the session's cookie. */
const COOKIE = "fedkim_session";
/** Shortest time between two events, and longest time without one, milliseconds. */
const EVENT_MS = { shortest: SNAPSHOT_MS, longest: 15_000 } as const;
/** Open event streams: a member has a page on a few machines, a consortium some dozens of members. */
const STREAMS = { perMember: 8, total: 256 } as const;

/** Where a browser talks to this very machine, without TLS. */
const LOOPBACK = new Set(["127.0.0.1", "localhost", "[::1]"]);

/**
 * Every address in a page is relative to the page's own, so that a reverse proxy may put the aggregator below any path;
 * a cookie without a path is sent to the folder that set it.
 */
const COOKIE_PATH = { path: "" } as const;
/** The dashboard, from the pages below it. */
const INDEX = "../dashboard";
const homeOf = (c: Context): string => c.req.path.endsWith("/dashboard") ? "dashboard/" : "";

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
  const streams = new StreamCap(STREAMS);
  const reports = new ReportPages();
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
        { title: "FedKIM", member: undefined, home: homeOf(c), live: false },
        <section aria-labelledby="in">
          <h2 id="in">Sign in</h2>
          <p>
            This page opens with a key, not with a password. On the machine that holds yours, run{" "}
            <code>fedkim dashboard --state DIR</code> and open the link that it prints.
          </p>
        </section>,
      ),
      401,
    );

  app.get("/style.css", (c) => c.text(STYLE_SHEET, 200, { "content-type": "text/css; charset=utf-8" }));
  app.get("/live.js", (c) => c.text(LIVE_SCRIPT, 200, { "content-type": "text/javascript; charset=utf-8" }));

  // Programs that look into links must not use them up: only the button does.
  app.get("/enter", (c) =>
    c.html(page(
      { title: "FedKIM", member: undefined, home: homeOf(c), live: false },
      <form method="post" action="enter">
        <input type="hidden" name="ticket" value={c.req.query("ticket") ?? ""} />
        <button type="submit">Open the dashboard</button>
      </form>,
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
      ...COOKIE_PATH,
      maxAge: SESSION_MS / 1000,
    });
    await signIn.note((await signIn.member(session))!);
    return c.redirect(INDEX, 303);
  });
  app.post("/leave", async (c) => {
    const session = getCookie(c, COOKIE);
    if (session !== undefined) await signIn.close(session);
    deleteCookie(c, COOKIE, COOKIE_PATH);
    return c.redirect(INDEX, 303);
  });

  app.get("/", async (c) => {
    const who = await visitor(c);
    if (who === undefined) return stranger(c);
    const snapshot = await source.snapshot(who.name);
    const row = snapshot.sites.find(({ site }) => site === who.name)!;
    const body = who.all ? operatorSections(snapshot) : siteSections(snapshot, row);
    if (c.req.query("part") === "main") return c.html(<>{body}</>);
    return c.html(
      page({ title: `Federation ${federation}`, member: who.name, home: homeOf(c), live: true }, body),
    );
  });

  app.get("/report", async (c) => {
    const who = await visitor(c);
    if (who === undefined) return stranger(c);
    const run = await source.plan();
    if (run === undefined) {
      return c.html(
        page(
          { title: "FedKIM", member: who.name, home: homeOf(c), live: false },
          <p>There is no signed plan yet.</p>,
        ),
        404,
      );
    }
    const snapshot = await source.snapshot(who.name);
    const shown = snapshot.sites.filter(({ site, role }) => who.all ? role === "site" : site === who.name);
    return c.html(reports.page(snapshot, run.plan, shown));
  });

  app.get("/events", async (c) => {
    const who = await visitor(c);
    if (who === undefined) return c.text("", 401);
    const leave = streams.enter(who.name);
    if (leave === undefined) {
      return c.text("too many dashboards are open\n", 429, {
        "retry-after": String(EVENT_MS.longest / 1000),
      });
    }
    return streamSSE(c, async (stream) => {
      let changed: () => void = () => {};
      const unsubscribe = source.subscribe(() => changed());
      const stop = () => {
        unsubscribe();
        leave();
      };
      stream.onAbort(() => {
        stop();
        changed();
      });
      try {
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
          if (!stream.aborted) await stream.sleep(EVENT_MS.shortest);
        }
      } finally {
        stop();
      }
    });
  });

  return { app, enter: async (member) => `/dashboard/enter?ticket=${await signIn.ticket(member)}` };
}
