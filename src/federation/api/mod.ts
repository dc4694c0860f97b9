/**
 * The aggregator's HTTP surface, version 1.
 *
 * - `routes.ts` and `schemas.ts` say what every endpoint takes and gives; the same schemas check requests and make
 *   `/openapi.json`, so that neither can be wrong about the other.
 * - {@link aggregatorApp} puts signatures, rate limits and body limits before the endpoints, and turns every failure into
 *   an RFC 9457 problem document.
 * - What the endpoints do is the {@link AggregatorDesk}'s business.
 *
 * @module
 */
export { aggregatorApp } from "./app.ts";
export type { AggregatorAppOptions, AggregatorDesk, ConnectionInfo } from "./app.ts";
export { ROUTES } from "./routes.ts";
export type { PlanAnswer, Status } from "./schemas.ts";
