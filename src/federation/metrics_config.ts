import { z } from "zod";

/** Where the Prometheus endpoint listens. It has a port of its own, so nothing of it is on the sites' port. */
export interface MetricsConfig {
  /** Whether there is one. */
  readonly enabled: boolean;
  /** Address to bind to; anything but this machine itself needs `tokenFile`. */
  readonly hostname: string;
  /** Port; 0 takes a free one. */
  readonly port: number;
  /** File whose content a scraper sends as its bearer token. */
  readonly tokenFile?: string | undefined;
}

const LOOPBACK = /^(?:127\.\d{1,3}\.\d{1,3}\.\d{1,3}|::1|localhost)$/;

/** The form of {@link MetricsConfig} in a configuration file. */
export const MetricsConfigSchema: z.ZodType<MetricsConfig> = z.strictObject({
  enabled: z.boolean().default(false),
  hostname: z.string().default("127.0.0.1"),
  port: z.number().int().min(0).max(65535).default(9464),
  tokenFile: z.string().optional(),
}).refine(
  ({ hostname, tokenFile }) => LOOPBACK.test(hostname) || tokenFile !== undefined,
  { path: ["tokenFile"], message: "needed where hostname is not this machine itself (127.0.0.1)" },
);
