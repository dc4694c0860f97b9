/** Attributes of a span: names, numbers of steps and sizes; never anything of a record or of one site's results. */
export type SpanAttributes = Readonly<Record<string, string | number>>;

/** The part of OpenTelemetry's span that is used here. */
export interface Span {
  /** Ends the span. */
  end(): void;
}

/** A span under way, with the context in which its children are made. */
interface Started extends Span {
  setStatus(status: { readonly code: number; readonly message?: string }): unknown;
  setAttribute(name: string, value: string | number): unknown;
}

interface Context {
  setValue(key: symbol, value: unknown): Context;
}

interface Tracer {
  startSpan(name: string, options: { readonly attributes: SpanAttributes }, context: Context): Started;
}

interface ContextManager {
  active(): Context;
  with<T>(context: Context, work: () => T): T;
}

/** Where OpenTelemetry's packages keep the running span in a context. */
const SPAN = Symbol.for("OpenTelemetry Context Key SPAN");
/** What Deno registers when it was started with OTEL_DENO=true, and only then. */
const REGISTERED = Symbol.for("opentelemetry.js.api.1");
/** OpenTelemetry's status code for an error. */
const ERROR = 2;

/** Whether this process was started with `OTEL_DENO=true`. */
export function tracing(): boolean {
  return REGISTERED in globalThis;
}

/**
 * Runs work inside a span of Deno's built-in OpenTelemetry. Requests that the work sends carry its `traceparent`, and
 * spans that it starts are its children. Without `OTEL_DENO=true` it only runs the work. A failure is noted by its code
 * alone.
 * @param name name of the span
 * @param attributes see {@link SpanAttributes}
 */
export async function withSpan<T>(
  name: string,
  attributes: SpanAttributes,
  work: () => Promise<T> | T,
): Promise<T> {
  if (!tracing()) return await work();
  const contexts: ContextManager = Deno.telemetry.contextManager;
  const parent = contexts.active();
  const span = tracer().startSpan(name, { attributes }, parent);
  try {
    return await contexts.with(parent.setValue(SPAN, span), async () => await work());
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "error";
    span.setAttribute("error.type", code);
    span.setStatus({ code: ERROR });
    throw error;
  } finally {
    span.end();
  }
}

/** A `traceparent` header: version, trace, parent and flags (W3C Trace Context, section 3.2). */
const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;

/**
 * Runs work in the trace of a request's `traceparent`, for servers where Deno does not do so itself.
 * @param traceparent the header; without a well-formed one the work only runs
 */
export function inTraceOf<T>(traceparent: string | null, work: () => T): T {
  const match = TRACEPARENT.exec(traceparent ?? "");
  if (match === null || !tracing()) return work();
  const [, traceId, spanId, flags] = match;
  const remote = { traceId, spanId, traceFlags: parseInt(flags, 16), isRemote: true };
  const contexts: ContextManager = Deno.telemetry.contextManager;
  return contexts.with(contexts.active().setValue(SPAN, { spanContext: () => remote }), work);
}

/**
 * Starts a span for something whose end is seen elsewhere.
 * @param parent the span that it belongs to; without one it begins a trace of its own
 * @returns the span, whose `end()` must be called; undefined without `OTEL_DENO=true`
 */
export function startSpan(name: string, attributes: SpanAttributes, parent?: Span): Span | undefined {
  if (!tracing()) return undefined;
  const contexts: ContextManager = Deno.telemetry.contextManager;
  return tracer().startSpan(name, { attributes }, contexts.active().setValue(SPAN, parent));
}

function tracer(): Tracer {
  return Deno.telemetry.tracerProvider.getTracer("fedkim");
}

/** What a site's request is for, by its path: the name of its span. */
export function spanName(method: string, path: string): string {
  const [, , area, ...rest] = path.split("?")[0].split("/");
  if (area === "rounds") return "fedkim.upload";
  if (area === "plan") return "fedkim.plan.answer";
  if (area === "letters") return "fedkim.wait";
  return ["fedkim", area ?? method.toLowerCase(), ...(area === "artefacts" ? [] : rest)].join(".");
}
