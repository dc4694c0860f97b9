/**
 * The aggregator's web pages: what happens now, who is there, what privacy costs, how well the models learn.
 *
 * - {@link dashboardApp} is mounted under the aggregator's HTTP API; it reads and never writes, but for sign-ins.
 * - A member signs in with its key: a signed request gets a one-time link (`fedkim dashboard`).
 * - Operators and auditors see the federation, a site sees itself. No record, label, gradient or metric of one site is
 *   known here, so none can be shown.
 * - Pages are rendered on the server and need no script; with scripts they follow along by server-sent events.
 *
 * @module
 */
export { dashboardApp } from "./app.tsx";
export type { DashboardApp } from "./app.tsx";
export type { DashboardOptions } from "./source.ts";
